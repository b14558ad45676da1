"""Work that is no training, each a program of its own."""
