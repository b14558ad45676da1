"""Loading a model with an adapter, to use it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from farense_worker.model import inference
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.settings.profile import Model


@pytest.mark.parametrize("config", ["[]", "{", "3", "{}", "[" * 200_000, '{"num_layers": "x"}'])
def test_an_adapter_with_a_damaged_configuration_is_named(
    micro: Path, tmp_path: Path, config: str
) -> None:
    adapter = tmp_path / "adapters"
    adapter.mkdir()
    shutil.copyfile(micro / "model.safetensors", adapter / "adapters.safetensors")
    (adapter / "adapter_config.json").write_text(config)
    with pytest.raises(FarenseError, match="the adapter of mine cannot be loaded"):
        inference.load(micro, Model(repo=str(micro)), "mine", str(adapter))


def test_a_model_is_found_without_a_folder_for_temporary_files(
    micro: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert inference.find(Model(repo=str(micro))) == micro
