"""The same screen is not opened twice by a key that is pressed again before it is there."""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Callable
from typing import Any

from textual.app import App
from textual.await_complete import AwaitComplete
from textual.screen import Screen

from farense_tui.ui.common.dialogs import ErrorDialog


class OpensOnce(App[None]):
    """Keys that are held down repeat: ten questions, or ten loads of a model, would lie stacked."""

    def push_screen(
        self, screen: Any, callback: Any = None, wait_for_dismiss: bool = False, **more: Any
    ) -> Any:
        """Open a screen unless one of its kind is on top; who waits for its answer is ended."""
        if not self._is_on_top(screen):
            opened: Callable[..., Any] = super().push_screen
            return opened(screen, callback, wait_for_dismiss, **more)
        if wait_for_dismiss:
            raise CancelledError
        return AwaitComplete()

    def _is_on_top(self, screen: Any) -> bool:
        kind = type(screen)
        if not isinstance(screen, Screen) or kind is Screen or isinstance(screen, ErrorDialog):
            return False
        return bool(self.screen_stack) and type(self.screen) is kind
