"""Exports handed to Ollama and LM Studio, for which a script and a folder stand here."""

from __future__ import annotations

from pathlib import Path

import pytest
from farense_worker.protocol.errors import FarenseError

from farense_tui.engine.tasks import hand_over


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "club"
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "config.json").write_text("{}")
    (folder / "Modelfile").write_text("FROM ./model\n")
    return folder


def ollama(folder: Path, code: int, has: str = "") -> None:
    """A program by its name, which has a model."""
    folder.mkdir()
    program = folder / "ollama"
    program.write_text(f'#!/bin/sh\n[ "$1" = show ] && {{ [ "$2" = "{has}" ]; exit $?; }}\n')
    with program.open("a") as file:
        file.write(f'pwd > "{folder}/where"\necho "$@" >> "{folder}/where"\n')
    with program.open("a") as file:
        file.write(f"printf 'no \\033[31mserver'\nexit {code}\n")
    program.chmod(0o755)


def test_ollama_makes_a_model_of_the_modelfile(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ollama(tmp_path / "bin", 0)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    hand_over.to_ollama(hand_over.check_ollama("club:v2"), "club:v2", export)
    where = (tmp_path / "bin" / "where").read_text().splitlines()
    assert where == [str(export), "create club:v2 -f Modelfile"]


def test_a_model_that_ollama_has_is_replaced_only_if_that_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ollama(tmp_path / "bin", 0, has="llama3.2")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    with pytest.raises(FarenseError, match=r"has a model llama3\.2 already") as caught:
        hand_over.check_ollama("llama3.2")
    assert "--overwrite" in caught.value.hint
    assert hand_over.check_ollama("llama3.2", replace=True)
    assert hand_over.check_ollama("club")


def test_an_ollama_that_says_nothing_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ollama(tmp_path / "bin", 0)
    (tmp_path / "bin" / "ollama").write_text("#!/bin/sh\nexec sleep 60\n")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    monkeypatch.setattr(hand_over, "_PATIENCE", 0.1)
    with pytest.raises(FarenseError, match="does not say"):
        hand_over.check_ollama("club")


def test_what_ollama_says_is_told_and_cleaned(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ollama(tmp_path / "bin", 1)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    with pytest.raises(FarenseError, match="has not made") as caught:
        hand_over.to_ollama(hand_over.check_ollama("club"), "club", export)
    assert "server" in caught.value.detail
    assert "\x1b" not in caught.value.detail
    (export / "Modelfile").unlink()
    with pytest.raises(FarenseError, match="no Modelfile"):
        hand_over.to_ollama("ollama", "club", export)


@pytest.mark.parametrize("name", ["", "-f", "Club", "a b", "../x", "a/b/c", "x;y"])
def test_names_that_ollama_does_not_take(name: str) -> None:
    with pytest.raises(FarenseError, match="takes no model"):
        hand_over.check_ollama(name)


def test_without_either_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(FarenseError, match="Ollama is not installed"):
        hand_over.check_ollama("club")
    with pytest.raises(FarenseError, match="LM Studio is not installed"):
        hand_over.lm_studio_place("club")


def test_lm_studio_finds_the_model_in_its_own_folder(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".lmstudio-home-pointer").write_text(f"{tmp_path}/elsewhere\n")
    place = hand_over.lm_studio_place("club")
    hand_over.to_lm_studio(place, export)
    assert place == tmp_path / "elsewhere/models/farense-tui/club"
    assert [path.name for path in place.iterdir()] == ["config.json"]
    with pytest.raises(FarenseError, match="already"):
        hand_over.lm_studio_place("club")
    (export / "other-lora.gguf").write_bytes(b"an adapter, which is no model")
    (export / "._other.gguf").write_bytes(b"macOS's own")
    hand_over.to_lm_studio(place.with_name("third"), export)
    assert [path.name for path in place.with_name("third").iterdir()] == ["config.json"]
    (export / "other.gguf").write_bytes(b"GGUF")
    hand_over.to_lm_studio(place.with_name("other"), export)
    assert [path.name for path in place.with_name("other").iterdir()] == ["other.gguf"]


def test_what_cannot_be_copied_is_told_by_its_name(
    export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was told as a list of all that had gone wrong, in Python's words."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".lmstudio").mkdir()
    place = hand_over.lm_studio_place("club")
    (export / "model" / "weights").symlink_to("nowhere")
    with pytest.raises(FarenseError, match=r"cannot read .*/model/weights"):
        hand_over.to_lm_studio(place, export)
    assert list(place.parent.iterdir()) == []
    place.parent.rmdir()
    place.parent.write_text("in the way")
    with pytest.raises(FarenseError, match="cannot write") as caught:
        hand_over.to_lm_studio(place, export)
    assert "models folder in LM Studio" in caught.value.hint
