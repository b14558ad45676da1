"""From a profile to a run that is ready for its first step, or for its next one."""
