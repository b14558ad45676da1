"""Families that are built unlike the others come apart, train, resume and are read by mlx_lm.

benchmarks/families.py tries all of them.
"""

from __future__ import annotations

import pytest

from benchmarks import families


@pytest.mark.parametrize("kind", ["gemma4_text", "mamba", "minimax", "gpt_oss"])
def test_a_family_trains_and_is_read(kind: str) -> None:
    found = families.one(kind)
    assert found.fault == ""
    assert (found.apart, found.split, found.resumes, found.read) == (True,) * 4
