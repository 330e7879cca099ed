"""Until when rows that are only added cannot get company any more: for readers that go on where they ended.

Rows get their time when they are written and are seen when their transaction commits, perhaps after rows with a later
time. Whoever reads all rows up to a moment and goes on from there loses them. Up to the horizon that cannot happen:
every transaction that could still commit an older row is over.
"""

from datetime import datetime

from django.db import connection

# A transaction that has written something may have done so since it began; one whose statement runs may have read its
# time when that began. What comes later gets a later time. The database user must see the others' activity: the OMS'
# processes share one.
_OPEN = """
    SELECT min(CASE WHEN a.backend_xid IS NOT NULL THEN a.xact_start
        WHEN a.state NOT LIKE 'idle%%' THEN a.query_start END)
    FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
"""


def settled_until(lag_seconds: float) -> datetime:
    """The horizon of rows whose time is that of their statement, or that of a program's clock at most `lag_seconds`
    before. Ask before reading, in a statement of its own, and read in a later one without a snapshot of before."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT least(clock_timestamp(), ({_OPEN})) - make_interval(secs => %s::float8)", [lag_seconds])
        (moment,) = cursor.fetchone()
        return moment
