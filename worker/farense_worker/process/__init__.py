"""Being a process: stdout, signals, native errors, versions."""
