"""The trainer. It runs as its own process (`python -m farense_worker RUN`), without Textual."""
