"""Where chat templates run, programs that came from elsewhere: what they may do, and how much."""
