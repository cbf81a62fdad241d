"""The pages of the documentation, as their readers see them: code blocks, headings and links."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent

_FENCE = re.compile(r"^(?P<fence>```+)(?P<language>\w+)\n(?P<code>.*?)^(?P=fence)$", re.MULTILINE | re.DOTALL)
_ANY_FENCE = re.compile(r"^(```+).*?^\1$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`]+`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block. `place` is its page and line; `before` is the line of text before it."""

    place: str
    language: str
    code: str
    before: str


def pages() -> list[Path]:
    """All of them, including those outside of `docs/`."""
    return [*sorted(ROOT.glob("*.md")), ROOT / "tests/README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def name(page: Path) -> str:
    """`page` as it is called in this repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of `page` that name a language."""
    text = page.read_text()
    for found in _FENCE.finditer(text):
        before = text[: found.start()].rstrip().rpartition("\n")[2]
        line = text.count("\n", 0, found.start()) + 1
        yield Block(f"{name(page)}:{line}", found["language"], found["code"], before)


def links(page: Path) -> list[str]:
    """What `page` links to in this repository."""
    text = _CODE.sub("", _ANY_FENCE.sub("", page.read_text()))
    return [target for target in _LINK.findall(text) if "://" not in target]


def anchors(page: Path) -> set[str]:
    """The names by which the headings of `page` are linked to, as GitHub and MyST make them."""
    headings = _HEADING.findall(_ANY_FENCE.sub("", page.read_text()))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def shown(found: object, expected: object) -> object:
    """What was `found`, without the headers of items that a page leaves out of what it shows."""
    if not isinstance(found, dict) or not isinstance(expected, dict):
        return found
    shorter = {**found}
    for name in ("headers", "httpHeaders"):
        match found.get(name), expected.get(name):
            case dict(headers), dict(kept):
                shorter[name] = {each: value for each, value in headers.items() if each in kept}
    for name in ("responses", "compositeResponse", "data"):
        match found.get(name), expected.get(name):
            case list(items), list(pages) if len(items) == len(pages):
                shorter[name] = [shown(*pair) for pair in zip(items, pages, strict=True)]
    return shorter
