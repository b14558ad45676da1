"""Files of others become a data set: recognise, read, map, leave out, split, write."""
