"""A model: found, loaded, taken apart; its tokenizer and its loss."""
