"""Keep the translations in step with the code.

    python scripts/translations.py              collect the code's strings, compile the catalogues
    python scripts/translations.py --check      exit code 1 if a string has no translation
    python scripts/translations.py --missing    print the strings that have none, as JSON
    python scripts/translations.py --fill FILE  put in translations: {"English": "português", ...}

Strings are marked `_("...")`, `ngettext("...", "...", n)`, `pgettext("context", "...")` or
`mark("...")`; title and description of the built-in profiles are collected too. A plural is filled
as {"one": ["translated one", "translated many"]}, a string with a context as
{"context|message": "..."}.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from string import Formatter

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from farense_worker.protocol.language import DOMAIN, ENGLISH, FOLDER, LANGUAGES

ROOT = Path(__file__).resolve().parent.parent
KEYWORDS = {"_": None, "gettext": None, "mark": None, "ngettext": (1, 2), "pgettext": ((1, "c"), 2)}
SOURCES = [("**.py", "python"), ("**.j2", "jinja2")]
DATED = (
    "POT-Creation-Date",
    "PO-Revision-Date",
    "Generated-By",
    "Last-Translator",
    "Language-Team",
    "Report-Msgid-Bugs-To",
    "Project-Id-Version",
)


def main() -> int:
    """Collect and compile, or check."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--missing", action="store_true")
    parser.add_argument("--fill", type=Path)
    args = parser.parse_args()
    faulty = False
    for language in LANGUAGES:
        if language == ENGLISH:
            continue
        catalogue = current(language)
        if args.fill:
            fill(catalogue, json.loads(args.fill.read_text(encoding="utf-8")))
        if args.missing:
            print(json.dumps([_key(each) for each in missing(catalogue)], indent=1))
        elif args.check:
            found = list(faults(catalogue, stored(language)))
            print("\n".join(f"{language}: {fault}" for fault in found), end="\n" if found else "")
            faulty = faulty or bool(found)
        else:
            save(catalogue, language)
            print(f"{language}: {len(catalogue)} strings, {len(list(missing(catalogue)))} missing")
    return int(faulty)


def path(language: str) -> Path:
    """Where the translations into `language` stand."""
    return FOLDER / language / "LC_MESSAGES" / f"{DOMAIN}.po"


def stored(language: str) -> Catalog:
    """Read the catalogue as it stands in the repository."""
    if not path(language).exists():
        about = {"project": DOMAIN, "header_comment": f"# {LANGUAGES[language]}"}
        return Catalog(locale=language, domain=DOMAIN, fuzzy=False, **about)
    with path(language).open("rb") as file:
        return read_po(file, locale=language, domain=DOMAIN)


def current(language: str) -> Catalog:
    """Read the catalogue and bring it up to date with the strings of the code."""
    template = Catalog(domain=DOMAIN)
    for package in ("farense_tui", "worker"):
        for _, _, message, comments, context in extract_from_dir(
            ROOT / package, SOURCES, keywords=KEYWORDS, comment_tags=("Translators:",)
        ):
            template.add(message, auto_comments=comments, context=context)
    for profile in sorted((ROOT / "profiles").glob("*.toml")):
        about = tomllib.loads(profile.read_text(encoding="utf-8"))["profile"]
        for key in ("title", "description"):
            template.add(about[key], context="profile")
    catalogue = stored(language)
    catalogue.update(template, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    return catalogue


def save(catalogue: Catalog, language: str) -> None:
    """Write the catalogue, sorted and without dates so that two branches merge, and compile it."""
    path(language).parent.mkdir(parents=True, exist_ok=True)
    written = BytesIO()
    write_po(written, catalogue, sort_output=True, width=100)
    lines = written.getvalue().decode("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(tuple(f'"{name}' for name in DATED))]
    path(language).write_text("".join(kept), encoding="utf-8")
    compile_(catalogue, language)


def compile_(catalogue: Catalog, language: str) -> None:
    """Write what the programs read; git does not keep it."""
    with path(language).with_suffix(".mo").open("wb") as file:
        write_mo(file, catalogue)


def missing(catalogue: Catalog) -> Iterator[Message]:
    """The strings without a translation."""
    for message in catalogue:
        if message.id and not all(strings(message)):
            yield message


def faults(catalogue: Catalog, before: Catalog) -> Iterator[str]:
    """What is not right with the translations: missing, left over, or other fields in braces."""
    for message in missing(catalogue):
        yield f"no translation: {message.id!r}"
    known = {_key(each) for each in catalogue}
    for message in before:
        if _key(message) not in known:
            yield f"no longer in the code: {message.id!r}"
    for message in catalogue:
        ids = (message.id,) if isinstance(message.id, str) else message.id
        wanted = set().union(*map(fields, ids))
        for n, text in enumerate(strings(message)):
            lost = fields(ids[min(n, len(ids) - 1)]) - fields(text)
            if message.id and text and (fields(text) - wanted or lost):
                yield f"{text!r} has other fields in braces than {message.id!r}"


def fields(text: str) -> set[str]:
    """The names in braces of `text`, with their formats."""
    try:
        return {f"{name}:{spec}" for _, name, spec, _ in Formatter().parse(text) if name}
    except ValueError:  # a brace that is none of a field
        return set()


def fill(catalogue: Catalog, given: dict[str, str | list[str]]) -> None:
    """Put translations in, by `_key`; SystemExit on a key that is not in the code."""
    by_key = {_key(each): each for each in catalogue if each.id}
    for key, text in given.items():
        if key not in by_key:
            raise SystemExit(f"not a string of the code: {key!r}")
        by_key[key].string = tuple(text) if isinstance(text, list) else text
    save(catalogue, str(catalogue.locale))


def _key(message: Message) -> str:
    first = message.id if isinstance(message.id, str) else message.id[0]
    return f"{message.context}|{first}" if message.context else first


def strings(message: Message) -> tuple[str, ...]:
    """The translations of a message: one, or one for each plural form."""
    string = message.string or ""
    return (string,) if isinstance(string, str) else tuple(string)


if __name__ == "__main__":
    sys.exit(main())
