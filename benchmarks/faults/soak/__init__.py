"""Faults at scale: kills, errors of the disk, power losses and damaged files, by the thousand."""
