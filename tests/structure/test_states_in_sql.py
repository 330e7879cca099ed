"""State names come from the enums, so that one that is renamed or removed cannot live on in a statement."""

import ast
import re
from collections.abc import Iterator
from functools import cache

from django.apps import apps

from tests.structure.source import modules, texts


@cache
def _state_names() -> frozenset[str]:
    """The values of every column that holds a state."""
    return frozenset(
        str(value)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.name in ("state", "status") or field.name.endswith("_state")
        for value, _label in field.flatchoices
    )


@cache
def _quoted_state() -> re.Pattern[str]:
    return re.compile(rf"'({'|'.join(sorted(_state_names()))})'")


def _found_in(text: str) -> list[str]:
    return _quoted_state().findall(text)


def test_no_state_name_stands_as_text_in_sql():
    found = [
        f"{path}:{line}: {', '.join(names)}"
        for path, tree in modules()
        for line, text in texts(tree)
        if (names := _found_in(text))
    ]

    assert found == [], "Put these in from the enums, such as f\"'{SubOrderState.PACKED}'\" or listed(IN_WAREHOUSE)."


def _is_state(name: str) -> bool:
    column = name.removesuffix("__in").rpartition("__")[2]
    return column in ("state", "status") or column.endswith("_state")


def _asked_as_text(node: ast.AST) -> Iterator[ast.Constant]:
    """State names in `filter(state="…")` and the like, and in `row.state == "…"`."""
    asked: list[ast.AST] = []
    if isinstance(node, ast.Call):
        asked = [keyword.value for keyword in node.keywords if keyword.arg and _is_state(keyword.arg)]
    elif isinstance(node, ast.Compare):
        sides = [node.left, *node.comparators]
        if any(isinstance(side, ast.Attribute) and _is_state(side.attr) for side in sides):
            asked = list(sides)
    for value in asked:
        for part in ast.walk(value):
            if isinstance(part, ast.Constant) and part.value in _state_names():
                yield part


def test_no_state_name_stands_as_text_in_python() -> None:
    found = [
        f"{path}:{name.lineno}: {name.value}"
        for path, tree in modules()
        if "models" not in path.parts  # whose constraints cannot name an enum of their own class
        for node in ast.walk(tree)
        for name in _asked_as_text(node)
    ]

    assert found == [], "Name the enum's member, such as state=SubOrderState.PACKED."
    asked = ast.parse('rows.filter(order__state__in=["split"]), row.state == "packed", rows.filter(name="split")')
    assert [name.value for node in ast.walk(asked) for name in _asked_as_text(node)] == ["split", "packed"]


def test_the_names_are_those_of_every_state():
    assert {"awaiting_payment", "partly_shipped", "waybill_issued", "captured", "enabled", "consumed"} < _state_names()
    assert _found_in("UPDATE x SET state = 'packed', note = 'unpacked' WHERE state IN ({}, 'picking')") == [
        "packed",
        "picking",
    ]
