"""Names, phones and addresses of orders that were over long ago are taken away; money, goods and states stay.

Upper apps say what they keep of an order's people, too. What a person wrote in a note stays as it was written, and
what stands on an invoice stays: it is a document of the books.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from oms.common.desk.counting import first_id_since
from oms.common.messages import writing
from oms.common.models import InboundFact, Ticket
from oms.common.models.fact import SETTLED_FACTS
from oms.common.states import listed
from orders.asked.after_sales import objections
from orders.intake import address_words
from orders.intake.addresses import address_key
from orders.locking import lock_orders
from orders.models import ChangeSet, Order, OrderEvent, OrderTerms
from orders.models.order import OVER

# So many orders are locked at a time.
SLICE = 500
# A month is counted as the law's shortest year is: three years are 36 of these, and a day or two more.
_DAYS_OF_MONTH = 30.5

_empties: list[Callable[[Sequence[int]], None]] = []


def register(empty: Callable[[Sequence[int]], None]) -> None:
    """Let the app take away what it keeps of the people of these orders (ids, locked). A few statements."""
    _empties.append(empty)


def before() -> datetime | None:
    """Of orders with which nothing happened since then the people are forgotten; None where they are kept for ever."""
    months = settings.RECIPIENTS_KEPT_MONTHS
    return timezone.now() - timedelta(days=months * _DAYS_OF_MONTH) if months else None


def forget(limit: int = 20_000) -> int:
    """Take the people away from up to `limit` orders that are over and with which nothing happened for
    `settings.RECIPIENTS_KEPT_MONTHS`, unless a ticket, a return, a refund or a dispute of theirs is open; and the
    messages from outside as they came, of the same age. Returns how many orders."""
    since = before()
    if since is None:
        return 0
    _forget_messages(since)
    forgotten, last = 0, 0
    below = first_id_since(Order, "created_at", since)
    while forgotten < limit and (ids := _due(last, below, since)):
        last = ids[-1]
        with transaction.atomic():
            forgotten += _empty(lock_orders(ids))
    return forgotten


def _due(last: int, below: int, since: datetime) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT o.id FROM orders_order o
            WHERE o.id > %(last)s AND o.id < %(below)s AND o.created_at < %(since)s
              AND o.anonymised_at IS NULL AND o.state IN ({listed(OVER)})
              AND NOT EXISTS (SELECT FROM orders_orderevent e WHERE e.order_id = o.id AND e.created_at >= %(since)s)
            ORDER BY o.id LIMIT {SLICE}
            """,
            {"last": last, "below": below, "since": since},
        )
        return [key for (key,) in cursor.fetchall()]


def _empty(locked: Sequence[int]) -> int:
    """The people of these locked orders, but for those that something is still open of; returns how many orders."""
    still_open = {
        *objections(locked),
        *Ticket.objects.open().filter(about_id__in=locked).values_list("about_id", flat=True),
    }
    ids = [order_id for order_id in locked if order_id not in still_open]
    nobody = dict.fromkeys(("buyer_name", "buyer_phone", "recipient_name", "recipient_phone", "recipient_address"), "")
    Order.objects.filter(pk__in=ids).update(
        **nobody, remark="", address_key=address_key("", ""), anonymised_at=timezone.now()
    )
    address_words.forget(ids)
    OrderTerms.objects.filter(order__in=ids).update(receiver_token="", seller_memo="")
    OrderEvent.objects.filter(order__in=ids, sealed__isnull=False).update(sealed=None)
    ChangeSet.objects.filter(order__in=ids, sealed__isnull=False).update(sealed=None)
    writing.forget(ids)
    for also in _empties:
        also(ids)
    return len(ids)


def _forget_messages(since: datetime) -> None:
    """The messages from outside that were settled, as they came: what was understood of them stays."""
    below = first_id_since(InboundFact, "received_at", since)
    old = InboundFact.objects.filter(pk__lt=below, raw__isnull=False, state__in=SETTLED_FACTS, settled_at__lt=since)
    last = 0
    while ids := list(old.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:SLICE]):
        last = ids[-1]
        InboundFact.objects.filter(pk__in=ids).update(raw=None)
