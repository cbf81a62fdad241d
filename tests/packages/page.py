"""What the page about other packages tells a site to write, so that the tests run exactly that."""

from __future__ import annotations

from typing import Any

from tests.markdown import ROOT, blocks

PAGE = ROOT / "docs/reference/other_packages.md"


def recipe(section: str) -> dict[str, Any]:
    """What the Python in a section of the page defines."""
    lines = PAGE.read_text().splitlines()
    begin = lines.index(f"## {section}") + 1
    end = next((place for place, line in enumerate(lines[begin:], begin) if line.startswith("## ")), len(lines))
    (code,) = (each.code for each in blocks(PAGE) if begin < int(each.place.rpartition(":")[2]) <= end)
    names: dict[str, Any] = {"__name__": f"{__name__}.{section}"}
    exec(compile(code, str(PAGE), "exec", dont_inherit=True), names)
    return names
