"""`farense-tui data ...`: a file for each of its commands."""
