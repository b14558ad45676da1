"""Programs that read what we write, in processes and environments of their own."""
