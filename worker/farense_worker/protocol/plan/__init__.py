"""What a run will do, before it does it: the training acts on it, a forecast looks ahead."""
