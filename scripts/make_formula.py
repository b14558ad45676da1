"""Fill packaging/farense-tui.rb in for a release, for a Homebrew tap.

    python scripts/make_formula.py HOMEPAGE URL dist/farense_tui-0.1.0.tar.gz > farense-tui.rb

URL is where the sdist is to be downloaded from; the file is the sdist itself, for its checksum.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path

from farense_tui import __version__

FORMULA = Path(__file__).resolve().parent.parent / "packaging" / "farense-tui.rb"


def main() -> int:
    """Print the formula; the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("homepage", help="where the project is at home")
    parser.add_argument("url", help="where the sdist can be downloaded")
    parser.add_argument("sdist", type=Path, help="the sdist itself")
    args = parser.parse_args()
    if __version__ not in args.url:  # Homebrew reads the version off the address
        parser.error(f"{args.url} does not name the version, {__version__}")
    print(formula(args.homepage, args.url, args.sdist), end="")
    return 0


def formula(homepage: str, url: str, sdist: Path) -> str:
    """Give the formula's text."""
    made = FORMULA.read_text(encoding="utf-8")
    checksum = hashlib.sha256(sdist.read_bytes()).hexdigest()
    for name, value in (("HOMEPAGE", homepage), ("URL", url), ("SHA256", checksum)):
        made = made.replace(f"@{name}@", value)
    return made


if __name__ == "__main__":
    sys.exit(main())
