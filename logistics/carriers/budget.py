"""How often an account may be asked where parcels are: so many calls a minute and a day, as its settings say."""

from collections.abc import Sequence

from django.db import connection

# What is left of the running minute and of China's day, as SQL on the alias `a` of the settings.
_MINUTE, _DAY = "date_trunc('minute', now())", "(now() AT TIME ZONE 'Asia/Shanghai')::date"
_OF_MINUTE = f"CASE WHEN a.minute = {_MINUTE} THEN a.calls_of_minute ELSE 0 END"
_OF_DAY = f"CASE WHEN a.day = {_DAY} THEN a.calls_of_day ELSE 0 END"
_LEFT = f"greatest(least(a.calls_a_minute - {_OF_MINUTE}, a.calls_a_day - {_OF_DAY}), 0)"


class PollingBudget:
    """See `oms.common.work.calling.Allowance`."""

    def open_to(self) -> Sequence[int]:
        """Accounts that are to be asked and have calls left."""
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT connection_id FROM logistics_accountsettings a WHERE a.polls AND {_LEFT} > 0")
            return [key for (key,) in cursor.fetchall()]

    def take(self, connection_id: int, wanted: int) -> int:
        """Count up to `wanted` calls before they are made; returns how many may be."""
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                WITH a AS (
                    SELECT *, least({_LEFT}, %s) AS granted FROM logistics_accountsettings a
                    WHERE a.connection_id = %s AND a.polls FOR NO KEY UPDATE
                )
                UPDATE logistics_accountsettings s SET minute = {_MINUTE}, day = {_DAY},
                    calls_of_minute = {_OF_MINUTE} + a.granted, calls_of_day = {_OF_DAY} + a.granted
                FROM a WHERE s.connection_id = a.connection_id RETURNING a.granted
                """,
                [wanted, connection_id],
            )
            row = cursor.fetchone()
        return row[0] if row else 0

    def give_back(self, connection_id: int, unused: int) -> None:
        """Calls that were counted and not made."""
        if unused <= 0:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                UPDATE logistics_accountsettings a SET
                    calls_of_minute = CASE WHEN minute = {_MINUTE} THEN greatest(calls_of_minute - %(n)s, 0)
                                           ELSE calls_of_minute END,
                    calls_of_day = CASE WHEN day = {_DAY} THEN greatest(calls_of_day - %(n)s, 0) ELSE calls_of_day END
                WHERE connection_id = %(id)s
                """,
                {"n": unused, "id": connection_id},
            )


POLLING = PollingBudget()
