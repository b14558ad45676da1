"""The model's tokenizer: light_tokenizer.py where that gives the same, else mlx_lm's."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from farense_worker.model import compat, light_tokenizer, stops
from farense_worker.model.chat_template import ChatTemplates
from farense_worker.protocol.errors import FarenseError, in_words, is_fault, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Model

_TEXT = "Abc, 123 é."


def load(folder: Path, settings: Model) -> Any:
    """Load it. What is given has the names of mlx_lm's wrapper that the worker uses.

    It stops at the end that the chat template writes as well, whatever the configuration names.
    """
    with _told(folder, settings):
        return _tried(light_tokenizer.read(folder) or _by_mlx_lm(folder, settings))


def load_by_mlx_lm(folder: Path, settings: Model) -> FullTokenizer:
    """Load the same, with all that mlx_lm's wrapper has besides: thoughts, calls of tools."""
    with _told(folder, settings):
        found: FullTokenizer = _tried(_by_mlx_lm(folder, settings))
        return found


def _tried(found: Any) -> Any:
    """Give it with all its ends; a damaged one may be loaded and fail at the first text."""
    tokens = found.encode(_TEXT)
    if not tokens:
        raise ValueError(_("it makes no tokens of a text"))
    found.decode(tokens)
    end = stops.written(found)
    if end is not None:
        found.eos_token_ids = {*found.eos_token_ids, end}
    return found


def find(settings: Model, offline: bool) -> Path:
    """Give a folder with the tokenizer; of a repository it alone is downloaded.

    Raises OSError or ValueError, as huggingface_hub does, where it cannot be had.
    """
    if Path(settings.repo).is_dir():
        return Path(settings.repo)
    from huggingface_hub import snapshot_download

    patterns = [
        "*.json",
        "*.py",
        "*.txt",
        "*.jinja",
        "additional_chat_templates/*",
        "tokenizer.model",
        "*.tiktoken",
    ]
    return Path(
        snapshot_download(
            settings.repo,
            revision=settings.revision or None,
            allow_patterns=patterns,
            local_files_only=offline,
        )
    )


class FullTokenizer:
    """mlx_lm's wrapper, its chat templates rendered within bounds.

    A tokenizer that puts chats into words in Python, not in a template, does so as ever.
    """

    def __init__(self, wrapper: Any) -> None:
        """Take the wrapper; what is not here it gives."""
        self.wrapper = wrapper
        self._templates: ChatTemplates | None = None
        if compat.renders_plainly(wrapper):
            templates, special = wrapper.chat_template, wrapper.special_tokens_map
            self._templates = ChatTemplates(templates, special, wrapper.has_thinking)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrapper, name)

    @property
    def renders(self) -> bool:
        """Whether chats are put into words here, by a template."""
        return self._templates is not None

    @property
    def takes_parts_alone(self) -> bool:
        """Whether the template renders plain strings away."""
        return self._templates is not None and self._templates.takes_parts_alone()

    def apply_chat_template(
        self,
        messages: list[dict[str, Any]],
        tools: Any = None,
        *,
        tokenize: bool = True,
        add_generation_prompt: bool = False,
        return_dict: bool = False,
    ) -> Any:
        """Put a conversation into the words of the template; its ids, or the text."""
        assert not return_dict
        if self._templates is None:
            return self.wrapper.apply_chat_template(
                messages,
                tools=tools,
                tokenize=tokenize,
                add_generation_prompt=add_generation_prompt,
                return_dict=False,
            )
        text = self._templates.text(messages, tools, add_generation_prompt)
        return self.encode(text, add_special_tokens=False) if tokenize else text

    def encode(self, text: str, **how: Any) -> Any:
        with light_tokenizer.telling():
            return self.wrapper.encode(text, **how)


def _by_mlx_lm(folder: Path, settings: Model) -> FullTokenizer:
    from farense_worker.model.compat import load_tokenizer

    extra = {"trust_remote_code": True} if settings.trust_remote_code else {}
    return FullTokenizer(load_tokenizer(folder, extra, sorted(stops.named(folder)) or None))


@contextlib.contextmanager
def _told(folder: Path, settings: Model) -> Iterator[None]:
    """Say of which file of which model it is what the libraries raise, who name none."""
    try:
        yield
    except BaseException as error:
        if isinstance(error, FarenseError) or not is_fault(error):
            raise
        title = _("the tokenizer of {repo} cannot be loaded").format(repo=settings.repo)
        said = in_words(error)
        if not isinstance(error, OSError):  # which names its file itself
            said = ": ".join(filter(None, (_damaged(folder, said), said)))
        raise refused(title, said, kind="model") from error


def _damaged(folder: Path, said: str) -> str:
    """Name the file that the tokenizer cannot be loaded for; empty where the system refused one.

    said: by the library.
    """
    if not (folder / "tokenizer.json").is_file():
        return _("there is no {name}").format(name="tokenizer.json")
    for name in (
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    ):  # fmt: skip
        if (path := folder / name).is_file() and not light_tokenizer.is_sound(path):
            return name
    if "(os error " in said:  # not translated: Rust's; the next time it may be read
        return ""
    return "tokenizer_config.json"  # sound, with a value that it cannot have
