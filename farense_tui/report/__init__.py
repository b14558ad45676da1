"""The page and the figures that a run leaves behind."""
