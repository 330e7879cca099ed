"""Cells of sheets as people and exports write them: times, payment, amounts, units, and what became of an order."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from oms.common.zones import CHINA
from orders.intake import cells

# How it is read, the text, and what it says: nothing where it must be refused.
CASES = [
    line.split("\t")
    for line in (Path(__file__).parent / "cases" / "cells.tsv").read_text(encoding="utf-8").splitlines()
]
MEANING: dict[str, Callable[[str], Any]] = {
    "moment": lambda text: datetime.fromisoformat(text).replace(tzinfo=CHINA),
    "amount": Decimal,
    "units": int,
}


@pytest.mark.parametrize(("kind", "text", "said"), CASES, ids=[f"{kind}: {text}" for kind, text, _ in CASES])
def test_a_cell_is_read_as_it_is_meant_or_refused(kind: str, text: str, said: str) -> None:
    read = getattr(cells, kind)
    text = text.replace("\\t", "\t")
    if not said:
        with pytest.raises(cells.NoValue):
            read(text)
        return
    value = read(text)
    assert (value.value if isinstance(value, Enum) else value) == MEANING.get(kind, str)(said)
