"""What native errors mean. The texts are those of MLX and of public reports, to the letter."""

from __future__ import annotations

import errno

import pytest
from farense_worker.process.native_errors import explain
from farense_worker.protocol.errors import ExitCode, FarenseError, refused

METAL = "[METAL] Command buffer execution failed: {}"
CODE = "kIOGPUCommandBufferCallbackError"


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (METAL.format(f"Insufficient Memory (00000008:{CODE}OutOfMemory)."), "gpu_memory"),
        (METAL.format(f"Caused GPU Timeout Error (00000002:{CODE}Timeout)."), "gpu_timeout"),
        (
            METAL.format(f"Impacting Interactivity (0000000e:{CODE}ImpactingInteractivity)."),
            "gpu_watchdog",
        ),
        (METAL.format("Internal Error (0000000e:Internal Error)"), "gpu_watchdog"),
        (METAL.format(f"Caused GPU Hang Error (00000003:{CODE}Hang)."), "gpu_fault"),
        (METAL.format(f"Caused GPU Address Fault Error (0000000b:{CODE}PageFault)."), "gpu_fault"),
        (
            METAL.format(
                "Ignored (for causing prior/excessive GPU errors) "
                f"(00000004:{CODE}SubmissionsIgnored)."
            ),
            "gpu_fault",
        ),
        ("[malloc] Unable to allocate 8589934592 bytes.", "memory"),
        ("[malloc_or_wait] Unable to allocate 8589934592 bytes.", "memory"),
        (
            "[metal::malloc] Attempting to allocate 9663676416 bytes which is greater than the "
            "maximum allowed buffer size of 9534832640 bytes.",
            "memory",
        ),
        ("[metal::malloc] Resource limit (499000) exceeded.", "gpu_buffers"),
        ("[metal::load_device] No Metal device available.", "no_gpu"),
        ("Failed to load the default metallib. library not found", "no_gpu"),
    ],
)
def test_a_text_of_mlx_is_explained(text: str, kind: str) -> None:
    told = explain(RuntimeError(text))
    assert told.kind == kind
    assert told.title
    assert told.detail == text  # whoever searches for it finds it
    assert told.hint
    assert told.exit_code == ExitCode.FAILED


def test_older_mlx_says_the_same_with_more_around_it() -> None:
    text = (
        "libc++abi: terminating due to uncaught exception of type std::runtime_error: "
        + METAL.format(f"Insufficient Memory (00000008:{CODE}OutOfMemory)")
    )
    assert explain(RuntimeError(text)).kind == "gpu_memory"


def test_advice_against_too_much_memory_names_settings_that_there_are() -> None:
    from farense_worker.protocol.settings.fields import setting

    hint = explain(MemoryError("no more")).hint
    for name in ("train.batch_size", "train.grad_accumulation", "lora.num_layers"):
        assert name in hint
        assert setting(name)


def test_an_error_of_ours_stays_as_it_is() -> None:
    ours = refused("bad data", "line 3", "mend it", kind="data")
    assert explain(ours) is ours
    plain = FarenseError("x")
    assert explain(plain) is plain


def test_a_memory_error_of_python_is_one_of_memory() -> None:
    assert explain(MemoryError("x")).kind == "memory"


@pytest.mark.parametrize("error", [ValueError("odd"), KeyError("w"), ZeroDivisionError()])
def test_anything_else_is_told_by_its_name(error: Exception) -> None:
    told = explain(error)
    assert told.kind == "unexpected"
    assert type(error).__name__ in told.title
    assert "worker.log" in told.hint
    assert told.exit_code == ExitCode.FAILED


def test_an_error_of_the_system_names_the_file_and_no_class_of_python() -> None:
    told = explain(OSError(errno.EIO, "Input/output error", "/m/tokenizer.json"))
    assert (told.title, told.detail) == ("/m/tokenizer.json cannot be used", "Input/output error")
    assert "worker.log" in told.hint
    assert "ulimit -n" in explain(OSError(errno.EMFILE, "Too many open files", "/m")).hint
