"""What a build makes: the compiled translations, which are not kept in the repository."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Translations(BuildHookInterface):  # type: ignore[type-arg]
    """Compiles worker/farense_worker/protocol/locale/LANGUAGE/LC_MESSAGES/farense-tui.po, each."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the .mo beside each .po, for a wheel and for an editable install alike."""
        for source in Path(self.root, "worker/farense_worker/protocol/locale").glob(
            "*/LC_MESSAGES/*.po"
        ):
            with source.open("rb") as file:
                catalogue = read_po(file)
            # else it is the minute of the build, and no wheel is like another of the same sources
            catalogue.creation_date = datetime(2000, 1, 1, tzinfo=UTC)
            with source.with_suffix(".mo").open("wb") as file:
                write_mo(file, catalogue)
