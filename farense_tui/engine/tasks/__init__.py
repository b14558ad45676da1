"""Work that is no training, from the app's side."""
