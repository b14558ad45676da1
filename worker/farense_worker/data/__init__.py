"""Rows become tokens, labels and micro-batches."""
