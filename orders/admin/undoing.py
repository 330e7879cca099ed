"""Taking back what was done: the button in the message after it, and on the order's page while it lasts."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from oms.common.desk import acting
from orders.admin.staff import staff_actor
from orders.changing import undoing
from orders.changing.undoing import Click, Kind
from orders.models import Order
from orders.telling.story import joined

# So many orders are named by the message of what was taken back.
MOST_NAMED = 10


def with_undo(request: HttpRequest, text: str, click: Click) -> SafeString | str:
    """The message, with a button that takes back all of the click while that is possible."""
    if not click.seconds:
        return text
    return format_html(
        '{} <form method="post" action="{}" class="oms-undo">'
        '<input type="hidden" name="csrfmiddlewaretoken" value="{}">'
        '<button type="submit" class="oms-button"><span class="material-symbols-outlined">undo</span>{}</button>'
        "</form>",
        text,
        reverse("admin:orders_order_undo", args=[click.batch]),
        get_token(request),
        _("Undo"),
    )


def undo_view(request: HttpRequest, batch: uuid.UUID) -> HttpResponse:
    """Take back all of a click that is not done yet."""
    orders = list(
        Order.objects.filter(undoable_actions__batch=batch).order_by().distinct().values_list("pk", flat=True)[:2]
    )
    page = (
        reverse("admin:orders_order_change", args=orders)
        if len(orders) == 1
        else reverse("admin:orders_order_changelist")
    )

    def do(_data: dict[str, Any]) -> HttpResponse | str:
        back, late = undoing.take_back(batch, actor=staff_actor(request))
        if late:
            text = _("It was too late for %(numbers)s: it is done already, or was taken back before.")
            messages.error(request, text % {"numbers": _named(late)})
        if not back:
            return _("Nothing was taken back.")
        return ngettext(
            "It was taken back: %(numbers)s is as it was.",
            "It was taken back: %(count)d orders are as they were (%(numbers)s).",
            len(back),
        ) % {"count": len(back), "numbers": _named(back)}

    needed = undoing.rights(batch)
    return acting.act(
        request, do, may=bool(needed) and request.user.has_perms(["orders.view_order", *needed]), page=page
    )


def _named(numbers: Sequence[str]) -> str:
    """The numbers, of many the first ones."""
    return joined([*numbers[:MOST_NAMED], *("…" for _more in numbers[MOST_NAMED : MOST_NAMED + 1])])


def shown(order: Order, user: Any) -> list[dict[str, Any]]:
    """What can still be taken back of an order that was loaded with `undoing.of_order`, for its page."""
    return [
        {
            "batch": action["batch"],
            "until": datetime.fromisoformat(action["not_before"]),
            "text": _text(action["kind"]) % {"actor": action["actor"]},
            "may": user.has_perm("orders.cancel_order" if action["kind"] == Kind.CANCEL else "orders.hold_order"),
        }
        for action in order.undoable  # type: ignore[attr-defined]
    ]


def _text(kind: str) -> str:
    match kind:
        case Kind.CANCEL:
            return _("The order is about to be cancelled (%(actor)s).")
        case Kind.RELEASE:
            return _("Holds are about to be released (%(actor)s).")
    return _("The order was held just now (%(actor)s).")
