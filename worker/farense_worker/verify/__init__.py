"""What `farense-tui verify` computes with MLX, and the programs that it starts."""
