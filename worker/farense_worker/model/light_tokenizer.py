"""A tokenizer that is no more than its files, by the tokenizers library alone.

transformers takes over a second to import. A tokenizer of its generic class is nothing but
tokenizer.json and a chat template, so those are read here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from farense_worker.model import stops
from farense_worker.model.chat_template import ChatTemplates
from farense_worker.protocol import plain_file
from farense_worker.protocol.language import gettext as _

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
# Files that may name tokens which tokenizer.json does not have.
_ADD_TOKENS = ("added_tokens.json", "tekken.json")
# Kinds of models for which transformers (models/auto/tokenization_auto.py) or mlx_lm takes a class
# of its own even if the configuration names the generic one.
_OWN_CLASS = {
    "hyperclovax_vision_v2",
    "muse_spark",
    "qwen2",
    "qwen3_5",
    "qwen3_5_moe",
    "qwen3_5_moe_text",
    "qwen4_exp",
    "siglip2",
}
# Tokens by which mlx_lm (tokenizer_utils.py) tells a model that has thoughts, and what stands
# around a thought then.
_THOUGHTS = (
    (("<think>", "</think>"), ("<think>", "</think>")),
    (("<longcat_think>", "</longcat_think>"), ("<longcat_think>", "</longcat_think>")),
    (("<|think:start|>", "<|think:end|>"), ("<|think:start|>", "<|think:end|>")),
    (("<|channel>", "<channel|>"), ("<|channel>thought", "<channel|>")),
    (
        ("<|open|>", "<|close|>", "<|sep|>", "<|end_of_msg|>"),
        ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    ),
)
_MOST = 1 << 28  # bytes of a tokenizer.json
_SPECIAL = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)


class NoTokens(ValueError):
    """A text that the tokenizer fails at."""


@contextlib.contextmanager
def telling() -> Iterator[None]:
    """Raise NoTokens for what the tokenizers library raises, which has no type of its own for it.

    A panic is none of Exception's. It is raised where a rule that cuts texts finds no end, too.
    """
    try:
        yield
    except BaseException as error:
        if type(error) is Exception or type(error).__module__ == "pyo3_runtime":
            raise NoTokens(_("the tokenizer fails at it: {error}").format(error=error)) from error
        raise


def read(folder: Path) -> LightTokenizer | None:
    """Read the tokenizer, if it is one of those that are no more than their files.

    Raises what the tokenizers library raises for a file that is none.
    """
    try:
        config = json.loads(plain_file.text(folder / "tokenizer_config.json"))
        whole = (folder / "tokenizer.json").is_file()
    except (OSError, ValueError):
        return None
    plain = (
        whole
        and config.get("tokenizer_class") in _GENERIC
        and not any(config.get(key) for key in _CHANGES)
        and not any(isinstance(config[key], dict) for key in _of_its_own(config))
        and not any((folder / name).is_file() for name in _ADD_TOKENS)
        and _model_type(folder) not in _OWN_CLASS
    )
    if not plain:
        return None
    light = LightTokenizer(folder, config)
    return light if light.knows(_named(config)) and _same_map(folder, config) else None


def is_sound(path: Path) -> bool:
    """Whether a file of a tokenizer is a table of keys and, if it is tokenizer.json, is one."""
    from tokenizers import Tokenizer

    try:
        text = plain_file.text(path, _MOST)
        found = isinstance(json.loads(text), dict)
        with telling():
            return found and (path.name != "tokenizer.json" or bool(Tokenizer.from_str(text)))
    except (OSError, ValueError, RecursionError):
        return False


class LightTokenizer:
    """tokenizer.json and a chat template.

    Gives the ids and texts that transformers' TokenizersBackend gives for rows of plain texts.
    """

    def __init__(self, folder: Path, config: dict[str, Any]) -> None:
        """Read the files. config: tokenizer_config.json."""
        from tokenizers import Tokenizer

        self.backend = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.backend.no_truncation()  # which are of how others once tokenised
        self.backend.no_padding()
        self.chat_template = _templates(folder, config)
        self._special = _by_name(config)
        marks: tuple[str | None, str | None] = next(
            (around for tokens, around in _THOUGHTS if all(map(self._has, tokens))), (None, None)
        )
        self.think_start, self.think_end = marks
        thinking = self.think_start is not None
        self._templates = ChatTemplates(self.chat_template or "", self._special, thinking)
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
    def takes_parts_alone(self) -> bool:
        """Whether the template renders plain strings away."""
        return self._templates.takes_parts_alone()

    @property
    def all_special_ids(self) -> list[int]:
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

    def knows(self, tokens: Sequence[Any]) -> bool:
        """Whether these are tokens of tokenizer.json, special where they are said to be."""
        there = {str(t.content): t for t in self.added_tokens_decoder.values()}
        for token in tokens:
            found = there.get(_content(token))
            special = token.get("special", True) if isinstance(token, dict) else True
            if found is None or bool(found.special) != bool(special):
                return False
        return True

    def encode(self, text: str, add_special_tokens: bool = True) -> list[int]:
        with telling():
            ids: list[int] = self.backend.encode(text, add_special_tokens=add_special_tokens).ids
        return ids

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = False) -> str:
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
        text = self._templates.text(messages, tools, add_generation_prompt)
        return self.encode(text, add_special_tokens=False) if tokenize else text

    def _has(self, token: str) -> bool:
        return self.backend.token_to_id(token) is not None

    def _id(self, name: str) -> int | None:
        token = self._special.get(name)
        found: int | None = self.backend.token_to_id(token) if token else None
        return found


class Detokenizer:
    """Turns tokens into text as they come, whole characters only."""

    def __init__(self, tokenizer: LightTokenizer) -> None:
        self._tokenizer = tokenizer
        self.reset()

    def reset(self) -> None:
        self._tokens: list[int] = []
        self._told = 0
        self._whole = False

    def add_token(self, token: int) -> None:
        self._tokens.append(token)

    def finalize(self) -> None:
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


def _same_map(folder: Path, config: dict[str, Any]) -> bool:
    """Whether special_tokens_map.json, which older versions wrote, says nothing else."""
    try:
        named = json.loads(plain_file.text(folder / "special_tokens_map.json"))
    except OSError as error:
        if plain_file.may_be_sound(error):
            raise
        return True
    except ValueError:
        return False
    return _by_name(named) == _by_name({**config, "extra_special_tokens": None}) and all(
        token in _named(config) for token in named.get("additional_special_tokens") or ()
    )


def _model_type(folder: Path) -> str:
    try:
        return str(json.loads(plain_file.text(folder / "config.json")).get("model_type"))
    except (OSError, ValueError, AttributeError) as error:
        if plain_file.may_be_sound(error):
            raise
        return ""


def _templates(folder: Path, config: dict[str, Any]) -> str | dict[str, str] | None:
    """Read the chat templates: those in files replace the ones of the configuration."""
    jinja, more = folder / "chat_template.jinja", folder / "additional_chat_templates"
    named = sorted(more.glob("[!.]*.jinja"))  # of ._NAME, macOS makes one beside each on FAT
    found = {path.name.removesuffix(".jinja"): path for path in named}
    if jinja.is_file():
        found = {"default": jinja} | found
    texts = {name: plain_file.text(path) for name, path in found.items()}
    if not texts:
        own: Any = config.get("chat_template")
        if not isinstance(own, list):
            return own
        return {each["name"]: each["template"] for each in own}
    return texts["default"] if list(texts) == ["default"] else texts


def _named(config: dict[str, Any]) -> list[Any]:
    """Give all tokens that the configuration names: transformers adds those that are not there."""
    named: list[Any] = [config[name] for name in _SPECIAL if config.get(name)]
    named += [config[name] for name in _of_its_own(config)]
    for key in ("additional_special_tokens", "extra_special_tokens"):
        more = config.get(key) or []
        named += more.values() if isinstance(more, dict) else more
    return [*named, *(config.get("added_tokens_decoder") or {}).values()]


def _of_its_own(config: dict[str, Any]) -> list[str]:
    """Give the keys of tokens that the model has beside the usual ones, such as its image_token."""
    return [
        key
        for key, token in config.items()
        if key.endswith("_token")
        and key not in _SPECIAL
        and isinstance(token, str | dict)
        and token
    ]


def _by_name(config: dict[str, Any]) -> dict[str, str]:
    """Give the tokens that its chat template may write by a name: bos_token, or one of its own."""
    named = {name: config[name] for name in (*_SPECIAL, *_of_its_own(config)) if config.get(name)}
    extra = config.get("extra_special_tokens")
    named |= extra if isinstance(extra, dict) else {}
    return {name: _content(token) for name, token in named.items()}


def _content(token: Any) -> str:
    return str(token["content"] if isinstance(token, dict) else token)
