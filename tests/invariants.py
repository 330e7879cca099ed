"""What must always hold, looked at after every step of a test.

Planning these queries takes ten times as long as running them over the few rows of a test, so each connection keeps
them planned, and asks for all of them in one round trip. Tests of many rows use `oms.common.invariants.check` itself:
their plans should know of the rows.
"""

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from django.db import connection

from oms.common import invariants
from oms.common.invariants import Finding, Invariant

_planned: WeakKeyDictionary[Any, dict[str, str]] = WeakKeyDictionary()


def check(looked_at: Sequence[Invariant]) -> list[Finding]:
    """As `oms.common.invariants.check`."""
    with connection.cursor() as cursor:
        names = _planned.setdefault(connection.connection, {})
        for query in (one.query for one in looked_at if one.query not in names):
            # An empty list of values: a query's own signs of per cent are doubled, as for `check`.
            cursor.execute(f"PREPARE invariant_{len(names)} AS SELECT FROM ({query}) AS broken LIMIT 1", [])
            names[query] = f"invariant_{len(names)}"
        cursor.execute(";".join(f"EXECUTE {names[one.query]}" for one in looked_at))
        broken = []
        for one in looked_at:
            if cursor.fetchall():
                broken.append(one)
            cursor.nextset()
    findings = invariants.check(broken)
    assert len(findings) == len(broken)
    return findings
