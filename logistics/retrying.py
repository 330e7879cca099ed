"""Giving warehouse orders and parcels that need a person back to their stages."""

from collections.abc import Sequence
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from oms.common.work import nudging
from orders import timeline
from orders.actors import Actor


@transaction.atomic
def retry(model: type[models.Model], ids: Sequence[int], *, actor: Actor) -> int:
    """Let the stages try those of the rows (WarehouseOrder, Shipment) again that need a person, with a full number of
    attempts; returns how many there were."""
    waiting = model._default_manager.filter(pk__in=ids, needs_person_since__isnull=False)
    rows: list[Any] = list(waiting.select_related("sub_order").order_by("pk").select_for_update(no_key=True, of=("self",)))
    model._default_manager.filter(pk__in=[row.pk for row in rows]).update(
        attempts=0, needs_person_since=None, ready_at=timezone.now(), lease_until=None
    )
    for row in rows:
        timeline.record(row.sub_order.order_id, "retried", actor, number=row.number, error=row.last_error)
    nudging.nudge("send_release", "send_stop", "choose_carrier", "dispatch")
    return len(rows)
