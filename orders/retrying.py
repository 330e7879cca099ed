"""Giving a row that needs a person back to its stage."""

from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from orders import kinds, timeline
from orders.actors import Actor
from orders.models import Order, SubOrder

_MODELS: dict[str, type[models.Model]] = {"order": Order, "sub_order": SubOrder}


@transaction.atomic
def retry(row_kind: str, row_id: int, *, actor: Actor) -> None:
    """Let the stage try the order or sub-order ("order", "sub_order") again, with a full number of attempts.

    Raises OmsError if it needs no person.
    """
    model = _MODELS[row_kind]
    row = model._default_manager.select_for_update(no_key=True, of=("self",)).get(pk=row_id)
    if row.needs_person_since is None:  # type: ignore[attr-defined]
        raise OmsError(_("This goes on by itself; there is nothing to retry."))
    model._default_manager.filter(pk=row_id).update(
        attempts=0, needs_person_since=None, ready_at=timezone.now(), lease_until=None
    )
    order_id = row.pk if row_kind == "order" else row.order_id  # type: ignore[attr-defined]
    number = row.number  # type: ignore[attr-defined]
    timeline.record(order_id, kinds.RETRIED, actor, number=number, error=row.last_error)  # type: ignore[attr-defined]
