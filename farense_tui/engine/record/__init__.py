"""The events of a run, read and folded into its state."""
