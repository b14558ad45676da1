"""The shapes that rows of others have: by which sign each is known, and how it becomes a row."""
