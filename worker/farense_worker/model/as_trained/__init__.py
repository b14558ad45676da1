"""A model as it was trained, where mlx_lm reads or computes it otherwise: put right, or told."""
