"""Before a run: profile, settings, data, model, and what a start would do."""
