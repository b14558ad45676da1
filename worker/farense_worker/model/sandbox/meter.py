"""What one rendering of a chat template may take, in units.

A character that is made or read is a unit, an element of a list or a dict some more: about what
they take of memory (5 to 10 bytes each) and of time (some nanoseconds). Whatever goes through a
whole value is paid for by its deep weight, counted anew for each place in which it lies: forty
lists that each hold the one before twice are a million million elements to whoever writes them.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator, MappingView
from contextlib import contextmanager
from itertools import chain
from typing import Any

from jinja2.exceptions import TemplateRuntimeError
from jinja2.runtime import LoopContext
from jinja2.utils import Namespace

from farense_worker.protocol.language import gettext as _

ELEMENT = 8  # units of an element of a list
OBJECT = 64  # units of a list, a dict or a call
_UNITS = 8_000_000
_SECONDS = 2.0  # of the processor
# More of both for each unit of the conversation: a long row is not the template's fault.
_UNITS_MORE = 64
_SECONDS_MORE = 1e-5
_TEXT = 1_000_000  # characters of what is written in the end, which is then tokenised
_TEXT_MORE = 8
_LOOK_EVERY = 1 << 16  # units between two looks at the clock
_DEPTH = 200  # lists within lists: CPython's hash of a tuple has no bound of its own
_WORD = 1 << 63
_BITS = 4096  # of a number: str refuses longer ones
_ENDLESS = 1 << 62
_NEVER = sys.float_info.max


class TooMuch(TemplateRuntimeError):
    """The template computes more than is allowed."""


class Meter:
    """Counts what one rendering takes: one at a time, whatever threads there are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given: Any = None
        self._weight: int | None = None  # of the given, if it had to be asked for
        self._allowed = False
        self._left = self._look = _ENDLESS
        self._until = _NEVER

    @contextmanager
    def running(self, given: Any) -> Iterator[None]:
        """Let a template run that is given these values."""
        with self._lock:
            self._given, self._weight, self._allowed = given, None, False
            self._left, self._look = _UNITS, _UNITS - _LOOK_EVERY
            self._until = time.thread_time() + _SECONDS
            yield

    def charge(self, units: int) -> None:
        """Take units down, before what they are for is done. TooMuch where none are left."""
        self._left -= units
        if self._left < self._look:
            self._look = max(0, self._left - _LOOK_EVERY)
            if self._left < 0 or time.thread_time() > self._until:
                self._allow_for_the_given()

    def step(self, value: Any, units: int) -> Any:
        """Take units down for how a value was computed, and give it back."""
        self.charge(units)
        return value

    def stop(self) -> None:
        """Raise TooMuch."""
        self._allowed, self._left, self._look = True, -1, 0
        raise TooMuch(_("the chat template takes more than a chat can need: it was stopped"))

    def _allow_for_the_given(self) -> None:
        """Go on if what was given is long; only now is it weighed, which takes its time."""
        if self._allowed:
            self.stop()
        self._allowed = True
        weight = self._weight_of_the_given()
        self._left += _UNITS_MORE * weight
        self._until += _SECONDS_MORE * weight
        self._look = max(0, self._left - _LOOK_EVERY)
        self.charge(0)

    def _weight_of_the_given(self) -> int:
        """Weigh what was given, without charge. ValueError if it is nested too deeply."""
        if self._weight is None:
            kept = self._left, self._look, self._until, self._allowed
            self._left, self._look, self._until, self._allowed = _ENDLESS, 0, _NEVER, True
            try:
                self._weight = self.weight(self._given)
            except TooMuch as error:
                raise ValueError(_("the conversation is nested too deeply")) from error
            finally:
                self._left, self._look, self._until, self._allowed = kept
        return self._weight

    def number(self, bits: int) -> None:
        """Take down a whole number."""
        self.charge(max(0, bits) >> 3)
        if bits > _BITS:
            self.stop()

    def weigh(self, value: Any) -> Any:
        """Take down the deep weight of a value, and give it back."""
        if type(value) is str:
            self.charge(len(value) + 1)
        else:
            self._weigh(value, _DEPTH)
        return value

    def weight(self, value: Any) -> int:
        """Take down the deep weight of a value, and tell it."""
        before = self._left
        self.weigh(value)
        return before - self._left

    def _weigh(self, value: Any, depth: int) -> None:
        kind, units = type(value), ELEMENT
        parts: Any = None
        if kind is dict:
            parts = chain(value, value.values())
        elif kind is list:
            parts = value
        elif kind is bool or kind is float or value is None:
            pass
        elif isinstance(value, str):
            units += len(value)
        elif isinstance(value, int):
            self.number(value.bit_length())
        elif isinstance(value, (list, tuple, set, frozenset, MappingView)):
            parts = value
        elif isinstance(value, range):
            units += ELEMENT * len(value)
        elif isinstance(value, Namespace):
            parts = object.__getattribute__(value, "__dict__").values()  # its own says no
        elif isinstance(value, LoopContext):
            raise TemplateRuntimeError(_("the loop itself is no value that can be written"))
        if parts is not None:
            if not depth:
                if not self._allowed:
                    self._weight_of_the_given()  # it may be in the conversation
                self.stop()
            for each in parts:  # most are short words, with no call of their own
                if type(each) is str:
                    units += ELEMENT + len(each)
                elif type(each) is int and -_WORD < each < _WORD:
                    units += ELEMENT
                else:
                    self._weigh(each, depth - 1)
        self.charge(units)

    def written(self, text: str) -> str:
        """Look at how long the whole text is, and give it back."""
        if len(text) > _TEXT:
            if len(text) > _TEXT + _TEXT_MORE * self._weight_of_the_given():
                self.stop()
        return text

    def made(self, value: Any) -> Any:
        """Take down what was made, what it holds not counted; give it back."""
        kind = type(value)
        if kind is str:
            self.charge(len(value))
        elif kind is bool or value is None:
            pass
        elif isinstance(value, str):
            self.charge(len(value))
        elif isinstance(value, (list, tuple, dict)):
            self.charge(OBJECT + ELEMENT * len(value) * (3 if kind is dict else 1))
        elif isinstance(value, Iterator) and not isinstance(value, LoopContext):
            return Drawn(value)
        return value


class Drawn:
    """What is given bit by bit, as by `map`: each bit is taken down when it comes."""

    __slots__ = ("_source",)

    def __init__(self, source: Iterator[Any]) -> None:
        self._source = source

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        value = next(self._source)
        METER.charge(2 * ELEMENT)
        return value


METER = Meter()
