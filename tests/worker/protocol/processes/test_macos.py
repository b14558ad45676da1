"""What macOS's programs and libproc tell, as far as another system can try it."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
from farense_worker.protocol.processes import macos


def test_a_program_is_there_late_or_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "sysctl"
    program.write_text('#!/bin/sh\n[ "$1" = late ] && exec sleep 60\nprintf "caf\\351 $LC_ALL"\n')
    program.chmod(0o755)
    monkeypatch.setenv("LC_ALL", "pt_PT.UTF-8")  # with a decimal comma
    assert macos.said(str(program)) == "caf\N{REPLACEMENT CHARACTER} C"
    assert macos.said(str(program), "late", patience=0.2) == ""
    assert macos.said(str(tmp_path / "gone")) is None


def test_the_structure_of_macos_has_its_layout() -> None:
    """<sys/resource.h>: a uuid of 16 bytes, then ten 64-bit numbers without a gap."""
    info = macos.Usage
    assert ctypes.sizeof(info) == 96
    offsets = {name: getattr(info, name).offset for name, _ in info._fields_}
    assert offsets["ri_uuid"] == 0
    assert offsets["ri_user_time"] == 16
    assert offsets["ri_resident_size"] == 64
    assert offsets["ri_phys_footprint"] == 72
    assert offsets["ri_proc_start_abstime"] == 80
    assert offsets["ri_proc_exit_abstime"] == 88
