"""Training with several processes, here or on several machines."""
