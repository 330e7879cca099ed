"""Orders that wait until somebody says what their codes stand for: how they begin to wait, and how they stop."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection
from django.db.models.functions import Now

from oms.common.copying import Rows, array, text_array, write_new, write_tables
from oms.common.transactions import require_transaction
from orders.intake.storing import StoredOrder
from orders.models import MatchWait, SkuMatch


def begin(orders: Sequence[StoredOrder]) -> None:
    """Let those of the orders wait that were stored in this transaction with codes that nobody has matched. As many
    statements for many as for one, and none where there are none.

    The codes are kept from being matched until the transaction ends (`matches` takes the stronger lock): what was
    matched since the orders were checked wakes them.
    """
    missing = [(order, order.checked.missing) for order in orders if order.checked.missing]
    if not missing:
        return
    require_transaction("begin")
    pairs = sorted({(order.checked.channel_id, code) for order, one in missing for code in one.codes})
    write_new(Rows("orders_skumatch", [{"channel_id": channel, "code": code} for channel, code in pairs]))
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT m.channel_id, m.code, m.id, m.matched_at IS NOT NULL
            FROM unnest(%s::bigint[], %s::text[]) AS p(channel_id, code)
            JOIN orders_skumatch m ON m.channel_id = p.channel_id AND m.code = p.code
            ORDER BY m.id FOR KEY SHARE OF m
            """,
            [array(channel for channel, _code in pairs), text_array(code for _channel, code in pairs)],
        )
        found = cursor.fetchall()
    ids = {(channel, code): match_id for channel, code, match_id, _is_matched in found}
    waits = [
        {"match_id": ids[order.checked.channel_id, code], "order_id": order.id, "is_unpriced": one.is_unpriced}
        for order, one in missing
        for code in one.codes
    ]
    write_tables(Rows("orders_matchwait", waits))
    # What was said may be newer than what the orders were checked by, or not serve them: the stage finds out.
    said = [match_id for _channel, _code, match_id, is_matched in found if is_matched]
    if said:
        SkuMatch.objects.filter(pk__in=said).update(wakes_since=Now())


def note_paid(order_id: int, *, at: datetime) -> bool:
    """Note that the merchant was paid for a locked order that has no price yet; false for any other."""
    unpriced = MatchWait.objects.filter(order=order_id, is_unpriced=True)
    return bool(unpriced.update(paid_at=at))


def unpriced(order_id: int) -> MatchWait | None:
    """What the order waits for, where what it costs is only known then. One statement."""
    return MatchWait.objects.filter(order=order_id, is_unpriced=True).first()


def end(order_ids: Iterable[int]) -> None:
    """Let the locked orders wait no longer: they are over."""
    MatchWait.objects.filter(order__in=list(order_ids)).delete()
