"""What may be set, where it is read from, and what a resume may change."""
