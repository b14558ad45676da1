"""Rows of a data set as text: what they may be, what others write, what is wrong in them."""
