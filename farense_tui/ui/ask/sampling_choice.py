"""How the answers of the ask screen are made: keys go through a few values of each setting."""

from __future__ import annotations

from typing import Any

from farense_worker.protocol.language import gettext as _

# The first of each is the one to begin with.
VALUES: dict[str, tuple[float, ...]] = {
    "temperature": (0.0, 0.3, 0.7, 1.0),
    "max_tokens": (100, 200, 400, 50),
    "top_p": (1.0, 0.95, 0.9, 0.8),
    "min_p": (0.0, 0.02, 0.05, 0.1),
    "repetition": (1.0, 1.05, 1.1, 1.2),
}


class SamplingChoice:
    def __init__(self) -> None:
        """Begin with the likeliest answer."""
        self.values: dict[str, Any] = {name: values[0] for name, values in VALUES.items()}

    def next(self, name: str) -> None:
        """Go on to the next value of a setting."""
        known = VALUES[name]
        self.values[name] = known[(known.index(self.values[name]) + 1) % len(known)]

    def words(self) -> list[tuple[str, str]]:
        """Say what is so, each with its key; of what is drawn from, where something is drawn."""
        temperature = self.values["temperature"]
        likeliest = _("the likeliest answer")
        drawn = _("temperature {value:g}").format(value=temperature)
        names = (
            ("f2", "top_p", "top-p"),
            ("f3", "min_p", "min-p"),
            ("f4", "repetition", _("repetition")),
        )
        return [
            ("^g", drawn if temperature else likeliest),
            ("^l", _("at most {n} tokens").format(n=self.values["max_tokens"])),
            *(
                (key, f"{told} {self.values[name]:g}")
                for key, name, told in names
                if self.values[name] != VALUES[name][0] and (temperature or name == "repetition")
            ),
        ]
