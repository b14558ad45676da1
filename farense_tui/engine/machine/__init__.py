"""What this computer is, and how it is doing."""
