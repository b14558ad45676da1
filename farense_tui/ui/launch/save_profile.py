"""Keeping a draft as one of the user's own profiles."""

from __future__ import annotations

from typing import Any

import msgspec
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import check_name
from farense_worker.protocol.settings.profile import Profile
from textual.screen import Screen

from farense_tui.engine.profiles import catalogue
from farense_tui.engine.profiles.draft import Draft
from farense_tui.ui.common.dialogs import Answer, AskDialog, NameDialog
from farense_tui.ui.navigator import navigator


async def save_as(screen: Screen[Any], draft: Draft, name: str, known: list[str]) -> str:
    """Ask for a name and save; gives the name, or "" if it came to nothing."""
    where = _("As a file in {folder}, where you can edit it as well.")
    where = where.format(folder=catalogue.own_folder())
    dialog = NameDialog(_("Save this profile as"), where, name, _wrong_with)
    given = await screen.app.push_screen_wait(dialog)
    if not given:
        return ""
    if given in known and not await _may_replace(screen, given):
        return ""
    try:
        catalogue.save(given, _titled(draft, given))
    except FarenseError as error:
        navigator(screen).show_error(error)
        return ""
    return given


async def _may_replace(screen: Screen[Any], name: str) -> bool:
    own = (catalogue.own_folder() / f"{name}.toml").exists()
    text = (
        _("You have a profile of that name: its file would be written anew.")
        if own
        else _("A built-in profile has that name: yours would stand in its place here.")
    )
    title = _("Save as {name}?").format(name=name)
    answers = [Answer("y", _("replace it") if own else _("save it all the same"))]
    return await screen.app.push_screen_wait(AskDialog(title, text, answers)) == "y"


def _titled(draft: Draft, name: str) -> Profile:
    """Give the new profile a title of its own, so that its card is not taken for the old one's."""
    profile = draft.profile
    if profile.profile.title != draft.base.profile.title:
        return profile
    return msgspec.structs.replace(
        profile, profile=msgspec.structs.replace(profile.profile, title=name)
    )


def _wrong_with(name: str) -> str:
    try:
        check_name(name)
    except FarenseError as error:
        return error.hint
    return ""
