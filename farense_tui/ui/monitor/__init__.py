"""During a run, and what became of it."""
