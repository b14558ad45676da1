"""The list of runs, and comparing them."""
