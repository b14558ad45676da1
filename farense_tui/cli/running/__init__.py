"""Commands that begin a run, take it up again, follow it or play it."""
