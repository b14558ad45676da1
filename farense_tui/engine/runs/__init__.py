"""Runs on the disk: prepared, started, watched, listed, compared, steered."""
