"""What must always hold is checked: no list of invariants is left out, and each can be run."""

from importlib import import_module

import pytest

from oms.common.invariants import check
from oms.management.commands.check_invariants import ALL
from tests.structure.source import modules

pytestmark = pytest.mark.django_db


def test_every_list_of_invariants_is_checked():
    listed = [
        invariant.name
        for path, _tree in modules()
        if path.stem.endswith("invariants") and path.parts[1] not in ("management",)
        for invariant in getattr(import_module(".".join(path.with_suffix("").parts)), "INVARIANTS", ())
    ]

    assert sorted(invariant.name for invariant in ALL) == sorted(listed)
    assert len(listed) == len(set(listed)), "Two invariants are called alike."


def test_an_empty_database_breaks_none():
    assert check(ALL) == []
