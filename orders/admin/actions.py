"""What staff do to orders: each action its own address, right and small form, by POST only."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django import forms
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.widgets import UnfoldAdminTextareaWidget

from oms.common.desk import acting
from oms.common.desk.acting import VersionForm
from oms.common.errors import OmsError
from orders.admin.staff import staff_actor
from orders.admin.undoing import with_undo
from orders.changing import marking, undoing
from orders.changing.undoing import Click
from orders.intake.terms import LONGEST_MEMO
from orders.models import Hold
from orders.models.terms import Flag
from orders.reviewing import holds


class ReasonForm(VersionForm):
    """Asks for a reason."""

    reason = forms.CharField(
        label=gettext_lazy("Reason"), max_length=200, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2})
    )


class ReleaseForm(VersionForm):
    """Asks for a note on the release, which may stay empty."""

    note = forms.CharField(label=gettext_lazy("Note"), max_length=300, required=False)


class MarksForm(VersionForm):
    """Asks for the seller's marks."""

    seller_memo = forms.CharField(label=gettext_lazy("Seller's memo"), max_length=LONGEST_MEMO, required=False)
    flag = forms.TypedChoiceField(label=gettext_lazy("Flag"), choices=Flag.choices, coerce=int)
    metadata_key = forms.CharField(label=gettext_lazy("Metadata key"), required=False)
    metadata_value = forms.CharField(label=gettext_lazy("Metadata value"), required=False, strip=False)


View = Callable[..., HttpResponse]
_Do = Callable[[HttpRequest, int, dict[str, Any]], str]


def posted(right: str, form_class: type[forms.Form]) -> Callable[[_Do], View]:
    """Make a view of a function that does something to an order (given the cleaned form) and returns what it did; see
    `oms.common.desk.acting`. It is for those who may see orders and have the right."""

    def decorate(do: _Do) -> View:
        @wraps(do)
        def view(request: HttpRequest, order_id: int) -> HttpResponse:
            return acting.act(
                request,
                lambda data: do(request, order_id, data),
                may=request.user.has_perms(["orders.view_order", right]),
                page=reverse("admin:orders_order_change", args=[order_id]),
                form_class=form_class,
            )

        return view

    return decorate


def check_part_of(order_id: int, model: type[Model], row_id: int) -> None:
    """Raises OmsError unless the row belongs to the order on whose page it was named."""
    if not model._default_manager.filter(pk=row_id, order=order_id).exists():
        raise OmsError(_("This is no part of the order."))


@posted("orders.hold_order", ReasonForm)
def hold_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Stop the order."""
    holds.hold_order(order_id, reason=data["reason"], actor=staff_actor(request), version=data["version"])
    return _("The order is held.")


def release_view(request: HttpRequest, order_id: int, hold_id: int) -> HttpResponse:
    """Release one hold of the order."""

    # Which right the hold needs, it says itself: finance releases its own, approvers theirs.
    @posted("orders.view_order", ReleaseForm)
    def release(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
        hold = Hold.objects.get(pk=hold_id, order_id=order_id)
        click = Click.of("release")
        undoing.release_later(
            order_id,
            [hold.pk],
            click,
            note=data["note"],
            actor=staff_actor(request),
            version=data["version"],
            has_right=request.user.has_perm,
        )
        text = _("The hold is about to be released.") if click.seconds else _("The hold is released.")
        return with_undo(request, text, click)

    return release(request, order_id)


@posted("orders.mark_order", MarksForm)
def marks_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Change the seller's memo and flag, and one key of the metadata."""
    key = data["metadata_key"]
    marking.mark(
        order_id,
        seller_memo=data["seller_memo"],
        flag=data["flag"],
        metadata={key: data["metadata_value"] or None} if key else None,
        actor=staff_actor(request),
        version=data["version"],
    )
    return _("Memo, flag and metadata are kept.")
