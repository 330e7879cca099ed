"""What must always hold, as SQL that finds the rows for which it does not."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection


@dataclass(frozen=True, slots=True)
class Invariant:
    """A sentence that must be true, and a query that returns what breaks it: its number first, then details."""

    name: str
    sentence: str
    query: str


@dataclass(frozen=True, slots=True)
class Finding:
    """An invariant that does not hold: how many rows break it, and the first of them."""

    invariant: Invariant
    count: int
    examples: list[str]


def check(invariants: Sequence[Invariant], *, examples: int = 20) -> list[Finding]:
    """Run the queries; returns a finding for each invariant that does not hold."""
    findings = []
    with connection.cursor() as cursor:
        for invariant in invariants:
            cursor.execute(
                f"SELECT b.*, count(*) OVER () AS total_broken FROM ({invariant.query}) AS b LIMIT %s", [examples]
            )
            rows = cursor.fetchall()
            if rows:
                shown = [" ".join(str(value) for value in row[:-1]) for row in rows]
                findings.append(Finding(invariant, rows[0][-1], shown))
    return findings
