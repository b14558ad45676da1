"""Write packaging/farense-tui.cdx.json: what farense-tui is installed with, as CycloneDX says it.

    python scripts/make_sbom.py

From requirements-hashed.txt, so after `make hashes`. A wheel carries it (PEP 770). No time and no
random number stands in it: two of the same sources are alike.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from farense_tui import __version__

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "packaging" / "farense-tui.cdx.json"


def bill() -> str:
    """The bill of materials as JSON."""
    pinned = (ROOT / "requirements-hashed.txt").read_text(encoding="utf-8")
    found = re.findall(r"^([\w.-]+)==([^\s;]+)(?: ; ([^\\\n]+))?", pinned, re.MULTILINE)
    parts = [_part(name, version, marker.strip()) for name, version, marker in found]
    own = {**_part("farense-tui", __version__, ""), "type": "application"}
    depends = [{"ref": own["bom-ref"], "dependsOn": [each["bom-ref"] for each in parts]}]
    made = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": parts,
        "dependencies": depends,
    }
    return json.dumps(made, indent=1) + "\n"


def _part(name: str, version: str, marker: str) -> dict[str, Any]:
    purl = f"pkg:pypi/{name.lower().replace('_', '-')}@{version}"
    part = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}
    if marker:  # only on some systems
        return {**part, "properties": [{"name": "python:marker", "value": marker}]}
    return part


if __name__ == "__main__":
    PLACE.write_text(bill(), encoding="utf-8")
    print(f"{PLACE.relative_to(ROOT)} written")
