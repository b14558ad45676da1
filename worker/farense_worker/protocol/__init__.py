"""What both programs know."""
