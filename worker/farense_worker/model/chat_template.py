"""Chat templates, rendered as transformers renders them (its utils/chat_template_utils.py).

Whatever a model came with: one template or several by name, with tools in `tool_use`. A template
is a program that came from elsewhere, so what it may compute and write is bounded.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from typing import Any

from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _

# Names that thoughts go by in rows. Templates find them under all of these.
REASONING = ("reasoning_content", "thinking", "reasoning")

Message = dict[str, Any]


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
        from farense_worker.model.bounds import BOUNDS, TooMuch

        template = _compiled(self._chosen(tools))
        BOUNDS.begin()
        try:
            said: str = template.render(
                messages=[_aliased(message) for message in messages],
                tools=tools,
                documents=None,
                add_generation_prompt=add_generation_prompt,
                **self._given,
            )
        except TooMuch as error:  # every other row would take as long
            raise refused(
                _("the model's chat template cannot be used"), str(error), kind="model"
            ) from error
        return said

    def _chosen(self, tools: Any) -> str:
        if isinstance(self._templates, str):
            return self._templates
        if tools is not None and "tool_use" in self._templates:
            return self._templates["tool_use"]
        if "default" in self._templates:
            return self._templates["default"]
        raise ValueError(
            _(
                "the model has several chat templates and none of them is the default: {names}"
            ).format(names=", ".join(sorted(self._templates)))
        )


def _aliased(message: Message) -> Message:
    """Drop what is null, and give thoughts under the names that templates look for."""
    made = {key: value for key, value in message.items() if value is not None}
    thought = next((made[key] for key in REASONING if key in made), None)
    return made if thought is None else {"thinking": thought, **made, "reasoning_content": thought}


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _strftime_now(pattern: str) -> str:
    from datetime import datetime

    from farense_worker.model.bounds import BOUNDS

    BOUNDS.pattern(pattern)
    return datetime.now().strftime(pattern)


def _raise_exception(message: str) -> None:
    from jinja2 import TemplateError

    raise TemplateError(message)


@functools.lru_cache(maxsize=8)
def _compiled(template: str) -> Any:
    """Compile a template in the sandbox that transformers compiles it in, with its extras."""
    from farense_worker.model.bounds import bounded_environment

    sandbox = bounded_environment({"tojson": _tojson})
    sandbox.globals |= {"raise_exception": _raise_exception, "strftime_now": _strftime_now}
    return sandbox.from_string(template)
