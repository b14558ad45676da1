"""What the worker is asked and what it says, as structs."""
