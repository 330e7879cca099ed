"""What the order's page shows of the people: masked, and in the clear for some minutes to who looked, with a reason."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.access import revealing
from oms.common.access.log import Subject
from oms.common.masking import hide_address, hide_name, hide_phone, mask_text
from orders.admin.actions import posted
from orders.admin.staff import staff_actor
from orders.kinds import REVEALED
from orders.models import Order
from orders.telling import timeline

RIGHT = "orders.view_personal_data"
_SUBJECT = "orders.order"


class RevealForm(forms.Form):
    """Asks why."""

    reason = forms.ChoiceField(label=gettext_lazy("Reason"), choices=[("", "–"), *revealing.WHY.items()])
    note = forms.CharField(label=gettext_lazy("Note"), max_length=200, required=False)


@dataclass(frozen=True, slots=True)
class People:
    """Who gets the order and who bought it, as they are shown; whether that is in the clear, whether the person may
    look, since when they are forgotten, and the reasons to look."""

    is_open: bool
    may_look: bool
    recipient_name: str
    recipient_phone: str
    address: str
    buyer_name: str
    buyer_phone: str
    buyer_reference: str
    remark: str
    removed_at: datetime | None
    reasons: list[tuple[str, Any]]


def is_open(user: Any, order_id: int) -> bool:
    """Whether the person has the right and has looked at the order just now. One statement."""
    return user.has_perm(RIGHT) and revealing.is_open(user, _SUBJECT, order_id)


def people_of(order: Order, user: Any) -> People:
    """The order's people as its page shows them. One statement."""
    clear = is_open(user, order.pk)

    def shown(text: str, hide: Any) -> str:
        return text if clear else hide(text)

    return People(
        is_open=clear,
        may_look=user.has_perm(RIGHT) and order.anonymised_at is None,
        recipient_name=shown(order.recipient_name, hide_name),
        recipient_phone=shown(order.recipient_phone, hide_phone),
        address=shown(order.recipient_address, hide_address),
        buyer_name=shown(order.buyer_name, hide_name),
        buyer_phone=shown(order.buyer_phone, hide_phone) if order.buyer_phone != order.recipient_phone else "",
        buyer_reference=order.buyer_reference,
        remark=shown(order.remark, mask_text),
        removed_at=order.anonymised_at,
        reasons=list(revealing.WHY.items()),
    )


@posted(RIGHT, RevealForm)
def reveal_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Show the order's people in the clear for some minutes."""
    order = Order.objects.only("number").get(pk=order_id)
    about = Subject(_SUBJECT, order.pk, order.number)
    try:
        with transaction.atomic():
            revealing.reveal(request, about, reason=data["reason"], remark=data["note"])
            timeline.record(order_id, REVEALED, staff_actor(request), reason=data["reason"], note=data["note"].strip())
    except revealing.TooManyLooks:
        revealing.note_refusal(request, about)
        raise
    return _("Name, phone and address are shown for some minutes; that you looked is in the security log.")
