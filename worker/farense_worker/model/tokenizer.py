"""The model's tokenizer: by the tokenizers library alone where that gives the same.

transformers takes over a second to import. A tokenizer of its generic class is nothing but
tokenizer.json and a chat template, so those are read here; for every other one mlx_lm loads it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from farense_worker.model import stops
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Model

# Classes of transformers that take tokenizer.json as it is; others build theirs anew.
_GENERIC = ("PreTrainedTokenizerFast", "TokenizersBackend")
# Settings by which they do not.
_CHANGES = (
    "add_bos_token",
    "add_eos_token",
    "auto_map",
    "chat_template_type",
    "clean_up_tokenization_spaces",
    "split_special_tokens",
)
_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token")


def load(folder: Path, settings: Model) -> Any:
    """Load it. What is given has the names of mlx_lm's wrapper that the worker uses.

    It stops at the end that the chat template writes as well, whatever the configuration names.
    """
    found = _light(folder, settings) or _by_mlx_lm(folder, settings)
    end = stops.written(found)
    if end is not None:
        found.eos_token_ids = {*found.eos_token_ids, end}
    return found


def _by_mlx_lm(folder: Path, settings: Model) -> Any:
    from mlx_lm.utils import load_tokenizer

    extra = {"trust_remote_code": True} if settings.trust_remote_code else {}
    try:
        return load_tokenizer(folder, extra, sorted(stops.named(folder)) or None)
    except (ValueError, OSError, KeyError) as error:
        raise _not_loaded(settings, error) from error


def find(settings: Model, offline: bool) -> Path:
    """Give a folder with the tokenizer; of a repository it alone is downloaded.

    Raises OSError or ValueError, as huggingface_hub does, where it cannot be had.
    """
    if Path(settings.repo).is_dir():
        return Path(settings.repo)
    from huggingface_hub import snapshot_download

    patterns = ["*.json", "*.py", "*.txt", "*.jinja", "tokenizer.model", "*.tiktoken"]
    return Path(
        snapshot_download(
            settings.repo,
            revision=settings.revision or None,
            allow_patterns=patterns,
            local_files_only=offline,
        )
    )


def _not_loaded(settings: Model, error: Exception) -> Exception:
    return refused(
        _("the tokenizer of {repo} cannot be loaded").format(repo=settings.repo),
        str(error),
        kind="model",
    )


class LightTokenizer:
    """tokenizer.json and a chat template.

    Gives the ids and texts that transformers' TokenizersBackend gives for rows of plain texts.
    """

    def __init__(self, folder: Path, config: dict[str, Any], template: str | None) -> None:
        """Read the files. config: tokenizer_config.json."""
        from tokenizers import Tokenizer

        self.backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.chat_template = template
        self._special = {name: _content(config[name]) for name in _SPECIAL if config.get(name)}
        self.bos_token_id = self._id("bos_token")
        self.eos_token_id = self._id("eos_token")
        self.eos_token_ids = stops.named(folder)
        if self.eos_token_id is not None:
            self.eos_token_ids.add(self.eos_token_id)

    @property
    def has_chat_template(self) -> bool:
        """Whether chats can be put into words."""
        return self.chat_template is not None

    @property
    def all_special_ids(self) -> list[int]:
        """Ids of the tokens that the configuration names."""
        named = [self.backend.token_to_id(token) for token in self._special.values()]
        return [number for number in named if number is not None]

    @property
    def added_tokens_decoder(self) -> dict[int, Any]:
        """Tokens that are no part of the vocabulary proper, by id."""
        added: dict[int, Any] = self.backend.get_added_tokens_decoder()
        return added

    @property
    def detokenizer(self) -> Detokenizer:
        """Make one that turns tokens into text as they come."""
        return Detokenizer(self)

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        """Give the ids of a text."""
        ids: list[int] = self.backend.encode(text, add_special_tokens=add_special_tokens).ids
        return ids

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
        """Give the text of ids."""
        return str(self.backend.decode(list(ids), skip_special_tokens=skip_special_tokens))

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
        text = _compiled(self.chat_template or "").render(
            messages=messages,
            tools=tools,
            documents=None,
            add_generation_prompt=add_generation_prompt,
            **self._special,
        )
        return self.encode(text, add_special_tokens=False) if tokenize else text

    def _id(self, name: str) -> int | None:
        token = self._special.get(name)
        found: int | None = self.backend.token_to_id(token) if token else None
        return found


class Detokenizer:
    """Turns tokens into text as they come, whole characters only."""

    def __init__(self, tokenizer: LightTokenizer) -> None:
        """Begin an answer."""
        self._tokenizer = tokenizer
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        self._tokens: list[int] = []
        self._told = 0
        self._whole = False

    def add_token(self, token: int) -> None:
        """Take one more."""
        self._tokens.append(token)

    def finalize(self) -> None:
        """Give what is left, whole or not."""
        self._whole = True

    @property
    def last_segment(self) -> str:
        """The text that has come since this was asked for last."""
        text = self._tokenizer.decode(self._tokens)
        if not self._whole:  # the rest of a character may be in the next token
            text = text.rstrip("\N{REPLACEMENT CHARACTER}")
        segment = text[self._told :]
        self._told += len(segment)
        return segment


def _light(folder: Path, settings: Model) -> LightTokenizer | None:
    """Read the tokenizer, if it is one of those that are no more than their files."""
    try:
        config = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
        whole = (folder / "tokenizer.json").is_file()
    except (OSError, ValueError):
        return None
    jinja = folder / "chat_template.jinja"
    template = jinja.read_text(encoding="utf-8") if jinja.is_file() else config.get("chat_template")
    plain = (
        whole
        and config.get("tokenizer_class") in _GENERIC
        and not any(config.get(key) for key in _CHANGES)
        and isinstance(template, str | None)
        and "generation" not in (template or "").replace("add_generation_prompt", "")
    )
    if not plain:
        return None
    try:
        return LightTokenizer(folder, config, template)
    except Exception as error:
        raise _not_loaded(settings, error) from error


def _content(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)


@functools.lru_cache(maxsize=8)
def _compiled(template: str) -> Any:
    """Compile a template in the sandbox that transformers compiles it in."""
    from jinja2 import TemplateError
    from jinja2.ext import loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message: str) -> None:
        raise TemplateError(message)

    def tojson(value: Any, indent: int | None = None) -> str:
        return json.dumps(value, ensure_ascii=False, indent=indent)

    def strftime_now(pattern: str) -> str:
        from datetime import datetime

        return datetime.now().strftime(pattern)

    sandbox = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    sandbox.filters["tojson"] = tojson
    sandbox.globals |= {"raise_exception": raise_exception, "strftime_now": strftime_now}
    return sandbox.from_string(template)
