"""What models are here."""
