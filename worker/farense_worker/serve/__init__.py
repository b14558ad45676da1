"""Models behind an address: mlx_lm's server, with our models, tokens and limits."""
