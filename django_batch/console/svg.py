"""SVG as a tree of elements. The standard library writes it, and escapes whatever a sender has put into a batch.

Only classes and presentation attributes are set, because a strict content security policy allows no `style`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from unicodedata import east_asian_width
from xml.etree.ElementTree import Element, tostring

# What may not stand in XML 1.0 (§2.2), not even escaped.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELLIPSIS = "…"


def element(name: str, *children: Element, text: str = "", **attributes: object) -> Element:
    """An element. In the name of an attribute `_` stands for `-`, and one that ends with it is a word of Python."""
    made = Element(name, {each.rstrip("_").replace("_", "-"): _value(value) for each, value in attributes.items()})
    made.text = clean(text)
    made.extend(children)
    return made


def picture(kind: str, label: str, children: Iterable[Element], *, width: float, height: float) -> str:
    """The document of a picture of the class `kind`, in its size in pixels. `label` names it for screen readers."""
    root = element("svg", *children, class_=kind, width=width, height=height, viewBox=f"0 0 {width:g} {height:g}")
    root.attrib |= {"xmlns": "http://www.w3.org/2000/svg", "role": "group", "aria-label": clean(label)}
    return tostring(root, encoding="unicode")


def clean(text: str) -> str:
    """`text` without characters that XML cannot have."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def shortened(text: str, room: int) -> str:
    """`text`, cut off so that it takes no more than `room` columns of a typewriter."""
    taken = 0
    for place, character in enumerate(text):
        taken += 2 if east_asian_width(character) in "WF" else 1
        if taken > room:
            return text[: max(0, place - 1)] + _ELLIPSIS
    return text


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else clean(str(value))
