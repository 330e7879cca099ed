"""State names come from the enums, so that one that is renamed or removed cannot live on in a statement."""

import re
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


def test_the_names_are_those_of_every_state():
    assert {"awaiting_payment", "partly_shipped", "waybill_issued", "captured", "enabled", "consumed"} < _state_names()
    assert _found_in("UPDATE x SET state = 'packed', note = 'unpacked' WHERE state IN ({}, 'picking')") == [
        "packed",
        "picking",
    ]
