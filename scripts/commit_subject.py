"""Refuse a commit whose subject is too long or does not stand alone.

    python scripts/commit_subject.py FILE

FILE holds the message, as git gives it to a commit-msg hook (.pre-commit-config.yaml).
"""

from __future__ import annotations

import sys
from pathlib import Path

LONGEST = 72


def main() -> int:
    """Check the message in the file that is named; 1 if it has a fault."""
    found = fault(Path(sys.argv[1]).read_text(encoding="utf-8"))
    print(found, end="\n" if found else "")
    return int(bool(found))


def fault(message: str) -> str:
    """Say what is wrong with a message; nothing where nothing is."""
    lines = [line for line in message.splitlines() if not line.startswith("#")]
    subject = lines[0] if lines else ""
    if not subject.strip():
        return "the commit has no subject"
    if len(subject) > LONGEST:
        return f"the subject has {len(subject)} characters; {LONGEST} are the most"
    if len(lines) > 1 and lines[1].strip():
        return "between the subject and the rest of the message there is an empty line"
    return ""


if __name__ == "__main__":
    sys.exit(main())
