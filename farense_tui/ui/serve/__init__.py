"""A run behind an address, watched."""
