"""XML as other systems send it. It is never trusted: no document types, no entities of its own, no endless depth."""

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat
from xml.sax.saxutils import escape

DEPTH = 40
DECLARATION = '<?xml version="1.0" encoding="utf-8"?>'
# What no XML document may contain, however it is written.
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Malformed(ValueError):
    """A text is no XML, or XML of a kind that is not read here."""


def parse(text: str) -> Element:
    """The root of a document, whatever encoding it declares: the text is decoded already. Raises Malformed."""
    parser = expat.ParserCreate()
    builder = TreeBuilder()
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH:
            raise Malformed(f"More than {DEPTH} elements lie within each other.")
        builder.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        builder.end(tag)

    def refuse(*_: object) -> None:
        raise Malformed("A document type is not read.")

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(text.removeprefix("\ufeff").strip(), True)
    except expat.ExpatError as error:
        raise Malformed(str(error)) from error
    return builder.close()


def text_of(node: Element, path: str) -> str:
    """The text of the first element below at that path; empty where there is none."""
    return (node.findtext(path) or "").strip()


def write(root: str, content: Mapping[str, Any]) -> str:
    """A document: texts and numbers by the names of their elements, mappings for elements with elements, sequences for
    elements that are repeated. What is None or an empty text is left out."""
    return f"{DECLARATION}<{root}>{_inner(content)}</{root}>"


def _inner(content: Mapping[str, Any]) -> str:
    return "".join(_element(name, value) for name, value in content.items())


def _element(name: str, value: Any) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, Mapping):
        return f"<{name}>{_inner(value)}</{name}>"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "".join(_element(name, one) for one in value)
    return f"<{name}>{escape(_FORBIDDEN.sub(' ', str(value)))}</{name}>"
