"""What must always hold, looked at after every step of a test.

Planning these queries takes ten times as long as running them over the few rows of a test. They stand in the test
database as functions, whose plans a connection keeps, whatever transactions are taken back, and all of them are asked
for in one round trip. Tests of many rows use `oms.common.invariants.check` itself: their plans should know of the rows.
"""

from collections.abc import Sequence

from django.db import connection

from oms.checking.known import ALL
from oms.common import invariants
from oms.common.invariants import Finding, Invariant

_FUNCTION = """
CREATE FUNCTION invariants.{name}() RETURNS boolean LANGUAGE plpgsql AS $invariant$
#variable_conflict use_column
BEGIN
    RETURN NOT EXISTS ({query});
END $invariant$
"""


def keep() -> None:
    """Make the functions in the new test database."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA invariants")
        for one in ALL:
            # An empty list of values: a query's own signs of per cent are doubled, as for `check`.
            cursor.execute(_FUNCTION.format(name=one.name, query=one.query), [])


def check(looked_at: Sequence[Invariant]) -> list[Finding]:
    """As `oms.common.invariants.check`, of invariants that the program knows."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(f'invariants.{one.name}()' for one in looked_at)}")
        answers = cursor.fetchone()
    broken = [one for one, holds in zip(looked_at, answers, strict=True) if not holds]
    findings = invariants.check(broken)
    assert len(findings) == len(broken)
    return findings
