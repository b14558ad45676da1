"""Families that are built unlike the others come apart, train, resume and are read by mlx_lm.

benchmarks/families/families.py tries all of them.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from farense_worker.model import model
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.settings.profile import Model

from benchmarks.families import families
from tests import micro_model


@pytest.mark.parametrize("kind", ["gemma4_text", "mamba", "minimax", "gpt_oss", "mistral4"])
def test_a_family_trains_and_is_read(kind: str) -> None:
    found = families.one(kind)
    assert found.fault == ""
    assert (found.apart, found.split, found.resumes, found.read) == (True,) * 4


def test_a_file_of_mlx_lm_that_ends_python_is_told(tmp_path: Path) -> None:
    folder = micro_model.make(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "olmo"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(FarenseError, match="cannot be loaded"):
        model.load(folder, Model(repo=str(folder)))
