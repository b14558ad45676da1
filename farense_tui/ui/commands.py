"""The command palette: what the keys of the open screen do, and a choice of profiles by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

from farense_worker.protocol.language import gettext as _
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.types import IgnoreReturnCallbackType

from farense_tui.ui.keys import own_actions
from farense_tui.ui.launch.screen import LaunchScreen
from farense_tui.ui.navigator import navigator
from farense_tui.ui.theme import TITLES


class Command(NamedTuple):
    name: str
    help: str
    run: IgnoreReturnCallbackType


class FarenseCommands(Provider):
    """Offers the bindings that are active, so the palette and the footer cannot disagree."""

    async def discover(self) -> Hits:
        """Offer everything while nothing is typed."""
        for command in self._commands():
            yield DiscoveryHit(command.name, command.run, help=command.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for command in self._commands():
            score = matcher.match(command.name)
            if score > 0:
                yield Hit(score, matcher.highlight(command.name), command.run, help=command.help)

    def _commands(self) -> Iterator[Command]:
        seen = set()
        bindings = self.screen.active_bindings.values()
        for active in sorted(bindings, key=lambda each: not each.binding.show):
            binding = active.binding
            name = binding.description
            hidden = not binding.show and active.node not in (self.screen, self.app)
            # moving about; profiles by name, below
            if hidden or binding.action.startswith(("choose(", "simulate_key(")):
                continue
            ours = binding.action in own_actions(type(active.node))
            if ours and name and active.enabled and name not in seen:
                seen.add(name)
                key = self.app.get_key_display(binding)
                told = " · ".join(filter(None, (_("key {key}").format(key=key), binding.tooltip)))
                yield Command(name, told, self._action(binding.action, active.node))
        for theme, title in TITLES.items():
            if theme != self.app.theme:
                choose = partial(navigator(self.screen).choose_theme, theme)
                yield Command(
                    _("Theme: {title}").format(title=title),
                    _("remembered for the next start"),
                    choose,
                )
        if isinstance(self.screen, LaunchScreen):
            for name, title in self.screen.profile_titles.items():
                run = partial(self.screen.choose, name)
                yield Command(_("Choose profile {name}").format(name=name), title, run)

    def _action(self, action: str, node: object) -> Callable[[], object]:
        return partial(self.app.run_action, action, node)  # type: ignore[arg-type]
