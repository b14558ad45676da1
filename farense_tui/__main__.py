"""`python -m farense_tui` is `farense-tui`."""

import sys

from farense_tui.cli import main

sys.exit(main())
