"""Which process, of which machine: how one starts another, who holds a run, who ends with whom."""
