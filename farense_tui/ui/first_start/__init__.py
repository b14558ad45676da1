"""The very first start, and the tour: what a newcomer is shown."""
