"""Where an answer is to end before its end: at words that a request names."""

from __future__ import annotations

from collections.abc import Sequence


class StopWords:
    """Looks for them in text that comes in pieces.

    mlx_lm's server looks for their tokens, which stand in no answer that has the same letters in
    other tokens: there it leaves the words out and goes on.
    """

    def __init__(self, words: Sequence[str]) -> None:
        """None are looked for where there are none."""
        self._words = tuple(words)
        self._held = ""

    def take(self, piece: str) -> tuple[str, bool]:
        """Give what can be said now, without the word, and whether one was found.

        What may be the beginning of one is held back.
        """
        text, self._held = self._held + piece, ""
        found = [(at + len(word), at) for word in self._words if (at := text.find(word)) >= 0]
        if found:
            _end, at = min(found)  # the one that is complete first, however the text came
            return text[:at], True
        begun = next((at for at in range(len(text)) if self._begins(text[at:])), len(text))
        text, self._held = text[:begun], text[begun:]
        return text, False

    def rest(self) -> str:
        """Give what was held back; the answer has ended."""
        held, self._held = self._held, ""
        return held

    def _begins(self, text: str) -> bool:
        return any(word.startswith(text) for word in self._words)
