"""What a start would do: in a sentence, beside the settings, and what speaks against it."""
