"""farense-tui: start, watch and steer LoRA fine-tuning with MLX from a terminal."""

__version__ = "0.1.0"
