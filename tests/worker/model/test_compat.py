"""What we use of other packages' insides is still what it was; each failure says what is not."""

from __future__ import annotations

import importlib
import inspect
import re
import resource
import select
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest
from farense_worker.model import compat

ROOT = Path(__file__).parents[3]

# What is passed to them by place or by name.
ARGUMENTS = {
    "ArraysCache": ["size"],
    "CacheList": ["caches"],
    "KVCache": [],
    "RotatingKVCache": ["max_size"],
    "QuantizedSwitchLinear": ["input_dims", "output_dims", "num_experts", "bias"],
    "SwitchLinear": ["input_dims", "output_dims", "num_experts", "bias"],
    "convert_to_gguf": ["model_path", "weights", "config", "output_file_path"],
    "dequantize_model": ["model"],
    "get_total_parameters": ["model"],
    "linear_to_lora_layers": ["model", "num_layers", "config", "use_dora"],
    "load_adapters": ["model", "adapter_path"],
    "load_config": ["model_path"],
    "load_tokenizer": ["model_path", "tokenizer_config_extra", "eos_token_ids"],
    "make_prompt_cache": ["model"],
    "permute_weights": ["weights", "n_head", "n_head_kv"],
    "save_config": ["config", "config_path"],
    "save_model": ["save_path", "model"],
    "translate_weight_names": ["name"],
}


@pytest.mark.parametrize("package", compat.CHECKED)
def test_the_versions_are_those_that_were_looked_at(package: str) -> None:
    name = package.replace("_", "-")
    pins = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.M))
    pin = pins.get(name) or pins[package]
    assert compat.CHECKED[package] == pin, (
        f"constraints.txt has {package} {pin}: look whether the insides that model/compat.py uses "
        f"are as in {compat.CHECKED[package]}, then write {pin} into its CHECKED"
    )


@pytest.mark.parametrize("name", compat._MLX_LM)
def test_what_is_of_mlx_lm(name: str) -> None:
    module = importlib.import_module(compat._MLX_LM[name])
    version = metadata.version("mlx-lm")
    assert hasattr(module, name), f"mlx_lm {version} has no {compat._MLX_LM[name]}.{name}"
    found = list(inspect.signature(getattr(module, name)).parameters)
    wanted = ARGUMENTS[name]
    assert found[: len(wanted)] == wanted, f"{name} of mlx_lm {version} takes {found}"


def test_how_mlx_lm_finds_the_classes_of_a_model() -> None:
    from mlx_lm.utils import _get_classes, load_model

    version = metadata.version("mlx-lm")
    taken = inspect.signature(load_model).parameters
    for name in ("lazy", "trust_remote_code", "get_model_classes"):
        assert name in taken, f"load_model of mlx_lm {version} does not take {name}"
    assert len(_get_classes({"model_type": "llama"})) == 2, "a model has more than two classes"


def test_mlx_lm_is_imported_without_transformers() -> None:
    code = (
        "import sys; from farense_worker.model.compat import load_model, linear_to_lora_layers;"
        "print(*{'transformers', 'huggingface_hub'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert "imported as a whole" not in done.stderr, (
        f"mlx_lm {metadata.version('mlx-lm')} wants more than the stand-ins in "
        f"model/mlx_lm_import.py have, so every start takes longer: {done.stderr}"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "", "the stand-ins of model/mlx_lm_import.py are passed by"


@pytest.mark.parametrize(
    ("soft", "hard", "after"), [(256, 1024, 1024), (1024, 1024, 1024), (3000, 3500, 3000)]
)
def test_mlx_lm_is_imported_whatever_the_limit_of_open_files(
    soft: int, hard: int, after: int
) -> None:
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if 0 <= most < hard:
        pytest.skip("this machine allows fewer")
    code = f"""
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
set_it = resource.setrlimit
from farense_worker.model import compat
assert compat.load_config
assert resource.getrlimit(resource.RLIMIT_NOFILE) == ({after}, {hard})
assert resource.setrlimit is set_it
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_and_the_machine_is_looked_at_within_it() -> None:
    code = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
from farense_worker.tasks import doctor
print(doctor.doctor(None, lambda _progress: None).fault)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="load_nothing"):
        compat.load_nothing  # noqa: B018


def test_a_tokenizer_within_the_wrapper() -> None:
    from mlx_lm.tokenizer_utils import TokenizerWrapper
    from transformers import TokenizersBackend

    made = inspect.getsource(TokenizerWrapper.__init__)
    for name in ("_tokenizer", "_chat_template"):
        assert f"self.{name} =" in made, f"TokenizerWrapper of mlx_lm keeps no {name} any more"
    for name in ("apply_chat_template", "encode", "__call__", "_encode_plus", "backend_tokenizer"):
        assert hasattr(TokenizersBackend, name), f"TokenizersBackend has no {name} any more"


def test_mlx_lms_server_asks_of_a_provider_what_ours_has(micro: Path) -> None:
    """serve/models.py stands in for its ModelProvider, serve/handler.py goes over its handler."""
    from farense_worker.protocol.messages.serving import Setup
    from farense_worker.serve.models import Models

    server = compat.serving()
    source = inspect.getsource(server)
    asked = set(re.findall(r"model_provider\.(\w+)", source)) - {"cli_args"}
    provider = Models(Setup(repo=str(micro), base="micro"), 0)
    for name in asked:
        assert hasattr(provider, name), f"mlx_lm.server asks its provider for {name} now"
    for name in set(re.findall(r"cli_args\.(\w+)", source)):
        known = {"chat_template", "use_default_chat_template"}  # of its own provider's
        assert hasattr(provider.cli_args, name) or name in known, f"its command line has {name} now"
    handler = inspect.getsource(server.APIHandler)
    for part in ("response_generator.generate(", "def _set_completion_headers", "self.rfile.read("):
        assert part in handler, f"mlx_lm.server's handler has no {part} any more"
    generator = inspect.signature(server.ResponseGenerator.__init__).parameters
    assert list(generator) == ["self", "model_provider", "prompt_cache"]
    for name in ("is_healthy", "stop_and_join", "generate", "cli_args"):
        assert hasattr(server.ResponseGenerator, name)


def test_mlx_lms_server_leaves_the_wired_limit_alone() -> None:
    generate = importlib.import_module("mlx_lm.generate")
    found = re.findall(r"= *(\S*wired_limit)\(", inspect.getsource(generate))
    assert set(found) == {"maybe_set_recommended_wired_limit"}, "it is raised by other means now"
    compat.serving()
    assert generate.maybe_set_recommended_wired_limit() is None
    inside = inspect.getsource(generate.wired_limit)
    assert "old_limit is None" in inside, "it is raised where none was set before, too"


def test_mlx_lm_writes_the_kinds_of_tokens_where_they_are_put_right() -> None:
    source = inspect.getsource(importlib.import_module("mlx_lm.gguf"))
    assert "mx.save_gguf(" in source, "mlx_lm writes GGUF files by other means now"
    assert '"tokenizer.ggml.token_type"' in source
    assert "mx.uint32" in source, "look whether compat.readable_gguf is still needed"


def test_the_hubs_cache() -> None:
    from huggingface_hub.file_download import repo_folder_name

    folder = compat.blob_folder("owner/name").parent.name
    wanted = repo_folder_name(repo_id="owner/name", repo_type="model")
    assert folder == wanted, f"the hub's cache now keeps a model in {wanted}"


def test_the_hubs_client() -> None:
    for name in ("build_hf_headers", "get_session", "hf_raise_for_status"):
        assert hasattr(compat.hub_utils(), name), f"huggingface_hub.utils has no {name}"
    assert hasattr(compat.hub_utils().get_session(), "stream"), "its session is no httpx.Client"
    assert all(issubclass(kind, Exception) for kind in compat.network_errors())


def test_mlx_launch_does_not_spin() -> None:
    """A rank's stdin can always be written; that must not end the wait for its output."""
    from mlx._distributed_utils import launch

    assert launch.select is select.select, "mlx.launch does not wait by a select of its own module"
    process = subprocess.Popen(["sleep", "600"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    began = time.monotonic()
    ready = compat.patient_select([process.stdout], [process.stdin], [], 1.0)
    process.kill()
    assert time.monotonic() - began >= 0.04
    assert ready == ([], [process.stdin], [])
