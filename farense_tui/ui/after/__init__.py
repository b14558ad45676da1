"""What is done with a run that has ended: measured, taken elsewhere."""
