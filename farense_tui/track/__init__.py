"""The figures of a run for TensorBoard and Weights & Biases."""
