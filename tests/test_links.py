"""No link in the docs leads nowhere: files, headings and pictures, without the site's tools."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), ROOT / "data" / "README.md"])


def parse(page: Path) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def links(page: Path) -> Iterator[str]:
    """Every link and picture that is none of the web's."""
    for block in parse(page):
        for token in block.children or ():
            target = str(token.attrGet("href") or token.attrGet("src") or "")
            if target and not re.match(r"[a-z]+:", target):
                yield target


def anchors(page: Path) -> set[str]:
    """What the headings are called in links."""
    blocks = parse(page)
    titles = (text.content for head, text in pairwise(blocks) if head.type == "heading_open")
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for target in links(page):
        path, _, anchor = target.partition("#")
        to = (page.parent / path).resolve() if path else page
        there = to.is_relative_to(ROOT) and to.exists()
        if not there or (anchor and anchor not in anchors(to)):
            lost.append(target)
    assert lost == []


def test_links_are_found() -> None:
    found = set(links(ROOT / "docs" / "README.md"))
    assert "architecture.md" in found
    assert any(target.endswith(".png") for target in found)


def test_every_page_is_in_the_sites_navigation() -> None:
    listed = re.findall(
        r"^ +- (?:[\w ]+: )?(\S+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE
    )
    there = {page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").glob("*.md")}
    assert set(listed) == there | {"data/README.md", "CHANGELOG.md", "CONTRIBUTING.md"}
