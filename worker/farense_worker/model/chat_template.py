"""Chat templates, rendered as transformers renders them (its utils/chat_template_utils.py).

Whatever a model came with: one template or several by name, with tools in `tool_use`. A template
is a program that came from elsewhere, so what it may compute and write is bounded.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _

# What a template's expressions may raise beside jinja2's errors and those of a conversation: 1 / 0,
# 1e999 (which jinja2 writes down as a name), what nests too deeply for Python.
_FAULTS = (ArithmeticError, AssertionError, MemoryError, NameError, RuntimeError, SyntaxError)

_TOLD = 1000  # characters of an error

# Names that thoughts go by in rows. Templates find them under all of these.
REASONING = ("reasoning_content", "thinking", "reasoning")

Message = dict[str, Any]

_CALL = b"strftime_now"
_PLACES = ("tokenizer_config.json", "*.jinja", "additional_chat_templates/*.jinja")


class Day:
    """The day whose date templates write, as those of Llama 3.2, SmolLM3 and gpt-oss do.

    It is today's for a question. Rows have that of the day on which their run was made: they stay
    what they are when it is resumed on another.
    """

    def __init__(self) -> None:
        self._kept: datetime | None = None

    def now(self) -> datetime:
        """Give the time that templates see."""
        return self._kept or datetime.now()

    def keep(self, seconds: float) -> None:
        """Stay at a moment, in Unix seconds; 0 is none. It is the same day in all time zones."""
        self._kept = datetime.fromtimestamp(seconds, UTC) if seconds else None

    @contextlib.contextmanager
    def kept(self, seconds: float) -> Iterator[None]:
        """Stay at a moment meanwhile, as `keep` does."""
        before = self._kept
        self.keep(seconds)
        try:
            yield
        finally:
            self._kept = before


DAY = Day()


def writes_the_day(model: Path) -> bool:
    """Whether a model's templates ask for it."""
    paths = [path for place in _PLACES for path in model.glob(place) if path.is_file()]
    try:
        return any(_CALL in plain_file.content(path) for path in paths)
    except OSError as error:
        if plain_file.may_be_sound(error):  # tokens of another day would be taken
            raise
        return False  # whoever needs it says so


class ChatTemplates:
    """A model's chat templates, with the special tokens that they write."""

    def __init__(
        self, templates: str | Mapping[str, str], special: Mapping[str, str], thinking: bool
    ) -> None:
        """thinking: as mlx_lm asks all templates, whether the model has tokens for thoughts."""
        self._templates = templates
        self._given = {**special, "enable_thinking": thinking}

    def text(
        self, messages: Sequence[Message], tools: Any = None, add_generation_prompt: bool = False
    ) -> str:
        """Put a conversation into the words of the template.

        Raises what jinja2 raises; ValueError for a conversation that transformers refuses;
        FarenseError (refused) for a template that takes too much.
        """
        if not messages:
            raise ValueError(_("there is no message"))
        if tools is not None and not all(isinstance(tool, dict) for tool in tools):
            raise ValueError(_('"tools" must be a list of objects'))
        from farense_worker.model.sandbox.meter import TooMuch

        chosen = self._chosen(tools)
        made = [_aliased(message) for message in messages]

        def render(messages: list[Message]) -> str:
            return _rendered(
                chosen,
                messages=messages,
                tools=tools,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self._given,
            )

        try:
            if _takes_parts_alone(chosen):
                made = [_in_parts(message) for message in made]
            return render(made)
        except TooMuch as error:  # every other row would take as long
            raise _unusable(str(error)) from error
        except TypeError:  # DeepSeek's put the arguments of a call together as strings
            if not any("tool_calls" in message for message in made):
                raise
            return render([_arguments_as_text(message) for message in made])

    def takes_parts_alone(self) -> bool:
        """Whether plain strings, as mlx_lm.generate sends them, are rendered away."""
        from jinja2 import TemplateError

        own = self._templates
        texts = list(own.values()) if isinstance(own, Mapping) else [own]
        try:
            return any(isinstance(each, str) and _takes_parts_alone(each) for each in texts)
        except TemplateError:  # it takes too much, which is told as soon as there is a chat
            return False

    def _chosen(self, tools: Any) -> str:
        named = self._templates if isinstance(self._templates, Mapping) else {}
        chosen: Any = self._templates
        if tools is not None and "tool_use" in named:
            chosen = named["tool_use"]
        elif "default" in named:
            chosen = named["default"]
        elif named:
            raise ValueError(
                _(
                    "the model has several chat templates and none of them is the default: {names}"
                ).format(names=", ".join(sorted(named)))
            )
        if not isinstance(chosen, str):
            raise _unusable(_("it is no text"))
        return chosen


def _unusable(why: str) -> Exception:
    return refused(_("the model's chat template cannot be used"), why, kind="model")


def _as_template_error(error: BaseException) -> Exception:
    """Say it as jinja2 says what is wrong with a template, in so many words."""
    from jinja2 import TemplateRuntimeError

    if isinstance(error, (RecursionError, MemoryError)):  # the latter is of Python's parser
        return TemplateRuntimeError(_("it is nested too deeply, or calls itself without end"))
    told = str(error)
    told = told if len(told) <= _TOLD else told[:_TOLD] + "..."
    return TemplateRuntimeError(f"{type(error).__name__}: {told}")


def _aliased(message: Message) -> Message:
    """Drop what is null, and give thoughts under the names that templates look for."""
    made = {key: value for key, value in message.items() if value is not None}
    thought = next((made[key] for key in REASONING if key in made), None)
    return made if thought is None else {"thinking": thought, **made, "reasoning_content": thought}


def _arguments_as_text(value: Any) -> Any:
    if isinstance(value, list):
        return [_arguments_as_text(each) for each in value]
    if not isinstance(value, dict):
        return value
    made = {
        k: _arguments_as_text(v) if k in ("tool_calls", "function") else v for k, v in value.items()
    }
    if isinstance(made.get("arguments"), dict):
        made["arguments"] = json.dumps(made["arguments"], ensure_ascii=False)
    return made


def _in_parts(message: Message) -> Message:
    content = message.get("content")
    if not isinstance(content, str):
        return message
    return {**message, "content": [{"type": "text", "text": content}]}


@functools.lru_cache(maxsize=8)
def _takes_parts_alone(template: str) -> bool:
    """Whether a template renders a plain string away, and takes it as a list of parts.

    As those of Idefics 3 and SmolVLM: what is said would not be in the row at all.
    """
    word = "zqword"
    message: Message = {"role": "user", "content": word}

    from farense_worker.model.sandbox.meter import TooMuch

    def written(message: Message) -> bool:
        given = {"messages": [message], "tools": None, "add_generation_prompt": True}
        try:
            text = _rendered(template, **given, bos_token="", eos_token="")
        except TooMuch:
            raise
        except Exception:  # noqa: BLE001 - a template may raise anything to refuse a conversation
            return False
        return word in text and "'type'" not in text  # a part is taken, not written as it stands

    return not written(message) and written(_in_parts(message))


def _strftime_now(pattern: str) -> str:
    from farense_worker.model.sandbox import prices

    prices.of_date(pattern)
    return DAY.now().strftime(pattern)


def _raise_exception(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)


def _rendered(template: str, **given: Any) -> str:
    """Run a template in the sandbox, within bounds."""
    from farense_worker.model.sandbox.meter import METER, TooMuch

    try:
        with METER.running(given):
            made = _compiled(template)
            if isinstance(made, Exception):
                raise made.with_traceback(None)
            text = METER.written("".join(made.root_render_func(made.new_context(given))))
        text.encode()  # an error, and not one of the tokenizer, for half a character
        return text
    except TooMuch:
        raise
    except _FAULTS as error:
        raise _as_template_error(error) from error
    except Exception as error:
        if len(str(error)) > _TOLD:
            raise _as_template_error(error) from error
        raise


@functools.lru_cache(maxsize=8)
def _compiled(template: str) -> Any:
    """Compile a template in the sandbox that transformers compiles it in, with its extras.

    Gives what is wrong with one that cannot be compiled: every row would take as long to find it.
    """
    from farense_worker.model.sandbox import environment

    try:
        return environment.compiled(_sandbox(), template)
    except Exception as error:  # noqa: BLE001 - it is raised anew, where it is told by its kind
        return error.with_traceback(None)


@functools.cache
def _sandbox() -> Any:
    from farense_worker.model.sandbox import environment

    return environment.environment(raise_exception=_raise_exception, strftime_now=_strftime_now)
