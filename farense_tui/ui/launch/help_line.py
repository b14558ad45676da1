"""What the setting at the focus does, at the bottom."""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.fields import Setting
from textual.content import Content
from textual.widgets import Static

from farense_tui.engine.profiles.draft import Draft
from farense_tui.engine.profiles.settings_words import words


class HelpLine(Static):
    """What a setting is, what a right value is, what the profile says."""

    def show(self, setting: Setting, draft: Draft) -> None:
        """Explain `setting`, and what is wrong with what was typed for it, if something is."""
        if fault := draft.faults.get(setting.name, ""):
            self.update(Content.styled(f"✗ {fault}", "$error"))
            return
        base = draft.base_text(setting.name)
        changed = ""
        if setting.name in draft.typed:
            said = (
                _("the profile says {value}").format(value=base)
                if base
                else _("the profile says nothing")
            )
            changed = f" · {said}"
        rule = (f"  {setting.rule()}{changed}", "$text-muted")
        name = (setting.name, "$accent")
        self.update(Content.assemble(words(setting.name).help, "\n", name, rule))

    def hint(self, profiles: int, *, starts: bool) -> None:
        """Say how to choose a profile, while no setting has the focus, and what enter does."""
        keys = " ".join(str(n) for n in range(1, min(profiles, 9) + 1))
        enter = _(" starts it") if starts else _(" says why it cannot start")
        self.update(
            Content.assemble(
                (keys, "$accent"),
                (_(" or "), "$text-muted"),
                ("← →", "$accent"),
                (_(" choose a profile, "), "$text-muted"),
                ("enter", "$accent"),
                (enter, "$text-muted"),
            )
        )
