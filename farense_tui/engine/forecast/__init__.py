"""What a run would take: memory, time, disk; and what would make it fit."""
