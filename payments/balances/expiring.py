"""The stage in which what was not spent in time expires. What orders hold stays theirs."""

from django.db import connection, transaction
from django.db.models import Count
from django.utils import timezone

from oms.common.work.claiming import Stage
from orders import actors
from payments.balances import moving
from payments.balances.moving import Move
from payments.models import BalanceAccount, MovementKind

ACTOR = actors.job("expire_balances")


@transaction.atomic
def run(limit: int) -> int:
    """Let up to `limit` balances expire whose time is over; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id FROM payments_balanceaccount WHERE expires_at <= %s AND available > 0
            ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
            """,
            [timezone.now(), limit],
        )
        due = [key for (key,) in cursor.fetchall()]
    accounts = BalanceAccount.objects.filter(pk__in=due).annotate(count=Count("movements"))
    moving.move(
        [
            Move(account, MovementKind.EXPIRED, account.available, f"expired:{account.pk}:{account.count}")
            for account in accounts
        ],
        actor=ACTOR,
    )
    return len(due)


def backlog() -> str:
    """Balances whose time is over."""
    return """
        SELECT expires_at AS due, false AS needs_person FROM payments_balanceaccount
        WHERE expires_at <= now() AND available > 0 ORDER BY expires_at
    """


STAGE = Stage("expire_balances", run, backlog=backlog)
