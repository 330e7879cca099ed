"""Gathering what is new for the receivers that are due: each thing once, all of it in one message a receiver."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.codebook import ACTORS
from oms.common.copying import array, records
from oms.common.errors import OmsError
from oms.common.work import clock, nudging
from oms.merchants.models import (
    EndpointState,
    Means,
    Merchant,
    MerchantNews,
    MerchantReceiver,
    MerchantTelling,
    WebhookEndpoint,
)
from oms.merchants.webhooks import telling
from oms.merchants.webhooks.endpoints import hears, register_types
from oms.telling import wording
from oms.telling.kinds import SOURCES

# What is older when it is looked for is no news any more; what was told is kept for longer.
NEWS_FOR = timedelta(days=2)
KEPT_FOR = timedelta(days=30)
DIGEST = "merchant.news"
NAME = "tell_merchants"
NOBODY = "no_endpoint"
register_types([DIGEST])
ACTORS.add({NAME: gettext_lazy("Tell merchants what is new")})


@transaction.atomic
def gather(limit: int = 500) -> int:
    """Write the messages of up to `limit` receivers that are due; returns how many receivers were."""
    now = timezone.now()
    due = MerchantReceiver.objects.select_for_update(skip_locked=True, of=("self",)).filter(
        is_active=True, next_at__lte=now, merchant__status=Merchant.Status.ACTIVE
    )
    receivers = list(due.order_by("next_at", "id")[:limit])
    if not receivers:
        return 0
    _find(receivers, now)
    tellings = _write([receiver.pk for receiver in receivers])
    _tell_webhooks(tellings)
    for receiver in receivers:
        receiver.next_at = now + clock.scaled(timedelta(minutes=receiver.every_minutes))
    MerchantReceiver.objects.bulk_update(receivers, ["next_at"])
    if tellings:
        nudging.nudge(NAME)
    return len(receivers)


def write_test(receiver: MerchantReceiver) -> None:
    """Write a test message for the locked receiver. Raises OmsError where no endpoint wants it."""
    one = MerchantTelling(receiver=receiver, connection_id=receiver.connection_id, is_test=True)
    one.save()
    _tell_webhooks([one])
    if one.last_error == NOBODY:
        text = _("No enabled webhook endpoint of yours wants the event type %(type)s. Add one that does.")
        raise OmsError(text % {"type": DIGEST})


def _find(receivers: Sequence[MerchantReceiver], now: datetime) -> None:
    """Note what is new for the receivers. One statement a kind that anybody chose."""
    merchants = array(sorted({receiver.merchant_id for receiver in receivers}))
    for kind, source in SOURCES.items():
        those = [receiver.pk for receiver in receivers if kind in receiver.kinds]
        if not those:
            continue
        with connection.cursor() as cursor:
            cursor.execute(
                f"""
                INSERT INTO merchants_merchantnews (receiver_id, kind, key, name)
                SELECT r.id, %(kind)s, f.key, left(f.name, 80)
                FROM ({source.sql}) AS f JOIN merchants_merchantreceiver r ON r.merchant_id = f.merchant_id
                WHERE r.id = ANY(%(receivers)s::bigint[]) AND f.at >= r.since AND NOT EXISTS (
                    SELECT FROM merchants_merchantnews n
                    WHERE n.receiver_id = r.id AND n.kind = %(kind)s AND n.key = f.key)
                ORDER BY r.id, f.at, f.key
                ON CONFLICT DO NOTHING
                """,
                {"kind": kind, "merchants": merchants, "since": now - NEWS_FOR, "receivers": array(those)},
            )


def _write(receiver_ids: Sequence[int]) -> list[MerchantTelling]:
    """A message for each receiver that has news. Three statements."""
    fresh = MerchantNews.objects.filter(receiver__in=receiver_ids, telling=None)
    having = list(fresh.order_by("receiver").values_list("receiver_id", flat=True).distinct())
    of = MerchantReceiver.objects.in_bulk(having)
    tellings = MerchantTelling.objects.bulk_create(
        MerchantTelling(receiver=of[key], connection_id=of[key].connection_id) for key in having
    )
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE merchants_merchantnews n SET telling_id = t.id
            FROM json_to_recordset(%s::json) AS t(id bigint, receiver_id bigint)
            WHERE n.receiver_id = t.receiver_id AND n.telling_id IS NULL
            """,
            [records([{"id": one.pk, "receiver_id": one.receiver_id} for one in tellings])],
        )
    return tellings


def _tell_webhooks(tellings: Sequence[MerchantTelling]) -> None:
    """Write the webhook of each message that goes by one; of those that no endpoint wants it is kept that nobody heard
    them."""
    mine = [one for one in tellings if one.receiver.means == Means.WEBHOOK]
    if not mine:
        return
    heard = _who_listens([one.receiver.merchant_id for one in mine])
    said = wording.contents_of([one.pk for one in mine])
    rows = [
        {"position": i, "merchant_id": one.receiver.merchant_id, "data": _data(one, said)}
        for i, one in enumerate(mine)
        if one.receiver.merchant_id in heard
    ]
    if rows:
        news = """
            SELECT position, merchant_id, %s AS type, now() AS occurred_at, data
            FROM json_to_recordset(%s::json) AS t(position int, merchant_id bigint, data jsonb)
        """
        with connection.cursor() as cursor:
            cursor.execute(telling.statement(news), [DIGEST, json.dumps(rows)])
    for one in mine:
        is_heard = one.receiver.merchant_id in heard
        one.ready_at, one.sent_at, one.last_error = (
            None,
            timezone.now() if is_heard else None,
            "" if is_heard else NOBODY,
        )
    MerchantTelling.objects.bulk_update(mine, ["ready_at", "sent_at", "last_error"])


def _data(one: MerchantTelling, said: dict[int, list[wording.Content]]) -> dict[str, Any]:
    news = [{"kind": part.kind, "count": part.count, "names": part.names} for part in said.get(one.pk, [])]
    return {"receiver": one.receiver.name, "is_test": one.is_test, "news": news}


def _who_listens(merchant_ids: Sequence[int]) -> set[int]:
    """The merchants of which an enabled endpoint wants this type."""
    endpoints = WebhookEndpoint.objects.filter(merchant__in=merchant_ids, state=EndpointState.ENABLED)
    return {key for key, types in endpoints.values_list("merchant_id", "event_types") if hears(types, DIGEST)}


def forget() -> int:
    """Delete what was told long ago; returns how many messages."""
    old = timezone.now() - KEPT_FOR
    MerchantNews.objects.filter(found_at__lt=old).delete()
    return MerchantTelling.objects.filter(written_at__lt=old, needs_person_since=None).delete()[0]
