"""The data of a profile before a start: what it is found to be, and the screen that shows it."""
