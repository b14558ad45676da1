"""`farense-tui`, and `python -m farense_tui`. The language is chosen before anything is said."""

import sys

from farense_worker.protocol import language


def main() -> int:
    """Run a command; the exit code."""
    language.choose(sys.argv[1:])
    from farense_tui.cli import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
