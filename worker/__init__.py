"""The trainer. It runs as its own process (`python -m worker RUN`) and never imports Textual."""
