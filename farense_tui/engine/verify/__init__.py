"""What `farense-tui verify` looks at: the trainer and the machine prove themselves."""
