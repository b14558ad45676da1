"""The training, and all that it keeps."""
