"""The Homebrew formula: filled in for a release, and what it names is there."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from farense_tui import __version__

ROOT = Path(__file__).parents[1]
URL = f"https://example.org/farense_tui-{__version__}.tar.gz"


def make(url: str, sdist: Path) -> subprocess.CompletedProcess[str]:
    script = str(ROOT / "scripts" / "make_formula.py")
    asked = [sys.executable, script, "https://example.org", url, str(sdist)]
    return subprocess.run(asked, capture_output=True, text=True)


@pytest.fixture
def sdist(tmp_path: Path) -> Path:
    path = tmp_path / "farense_tui.tar.gz"
    path.write_bytes(b"an sdist")
    return path


def test_a_release_is_filled_in(sdist: Path) -> None:
    made = make(URL, sdist).stdout
    assert f'url "{URL}"' in made
    assert f'sha256 "{hashlib.sha256(b"an sdist").hexdigest()}"' in made
    assert re.findall("@[A-Z0-9]+@", made) == []


def test_an_address_without_the_version_is_refused(sdist: Path) -> None:
    done = make("https://example.org/latest.tar.gz", sdist)
    assert done.returncode == 2
    assert __version__ in done.stderr


def test_ruby_takes_it(sdist: Path) -> None:
    ruby = shutil.which("ruby") or pytest.skip("there is no ruby here")
    done = subprocess.run(
        [ruby, "-wc"], input=make(URL, sdist).stdout, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("Syntax OK\n", "")


def test_what_it_installs_is_there() -> None:
    text = (ROOT / "packaging" / "farense-tui.rb").read_text(encoding="utf-8")
    for name in ("constraints.txt", "docs/farense-tui.1"):
        assert f'"{name}"' in text
        assert (ROOT / name).is_file()
