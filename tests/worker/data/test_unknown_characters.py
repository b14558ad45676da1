"""Characters that become <unk>, or nothing at all, are told before they are trained on."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import pytest
from farense_worker.data import labels, unknown_characters
from farense_worker.protocol.dataset import Row
from tokenizers import Tokenizer, decoders, models, normalizers

from tests.tokenizers import chat, load, variant

SPECIAL = ["<|end|>", "<|user|>", "<|assistant|>", "<|system|>", "<|pad|>", "<unk>"]


@pytest.mark.parametrize("unknown", ["<unk>", None])
def test_of_a_vocabulary_without_bytes(micro: Path, tmp_path: Path, unknown: str | None) -> None:
    folder = variant(micro, tmp_path / "t")
    letters = ["<unk>", *string.printable, "é"]
    tokenizer = Tokenizer(
        models.BPE({c: at for at, c in enumerate(letters)}, [], unk_token=unknown)
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(SPECIAL)
    tokenizer.save(str(folder / "tokenizer.json"))
    said = ("Não é, É: e\u0301, número.", "Em 1910, a\u200b.")
    rows = [Row(at, "chat", chat("Quem?", each)) for at, each in enumerate(said, 1)]
    found: list[Any] = [each for _row, each in labels.encode_all(load(folder), rows, True)]
    told = [[r.what for r in each.remarks if r.code == "unknown"] for each in found]
    assert told == [["the tokenizer does not know ã ú"], []]


def test_bytes_know_them_all(micro: Path) -> None:
    text = "Ação – “não” … \ufb01m ½ 你好 한국 😀 e\u0301 \u200b\u00a0"
    assert unknown_characters.find(load(micro), [text, "a"]) == ""


def test_the_first_few_are_named() -> None:
    class Deaf:
        def encode(self, _text: str, **_how: Any) -> list[int]:
            return []

        def decode(self, _ids: list[int], **_how: Any) -> str:
            return ""

    assert unknown_characters.find(Deaf(), ["aãeé"]) == "ã é"
    assert unknown_characters.find(Deaf(), ["áàâãéêíóôõúç"]).endswith(" í ...")
