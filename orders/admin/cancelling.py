"""The page on which staff cancel an order or a part of it: what is chosen, what it does, and its confirmation."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.desk import acting
from oms.common.errors import ChangedMeanwhile, OmsError
from orders import kinds
from orders.admin.order_page import load
from orders.admin.staff import staff_actor
from orders.admin.undoing import with_undo
from orders.asked import unseen
from orders.changing import cancelling, previewing, reasons, undoing, units
from orders.changing.choosing import Selection
from orders.changing.previewing import Preview
from orders.changing.promotion_words import rule_in_words
from orders.changing.undoing import Click
from orders.models import Hold, Order, OrderEvent, SubOrder, SubOrderState

RIGHT = "orders.cancel_order"
WHOLE, REST, CHOSEN = "whole", "rest", "chosen"


class CancelForm(forms.Form):
    """Asks what is cancelled and why. Of lines and sub-orders only those that are ticked count."""

    scope = forms.ChoiceField(
        label=gettext_lazy("What is cancelled"),
        choices=[
            (CHOSEN, gettext_lazy("Only what is ticked")),
            (REST, gettext_lazy("All that has not left yet")),
            (WHOLE, gettext_lazy("The whole order")),
        ],
        widget=forms.RadioSelect,
    )
    cause = forms.ChoiceField(label=gettext_lazy("Reason"), required=False, widget=forms.Select(attrs=acting.INPUT))
    reason = forms.CharField(
        label=gettext_lazy("In your own words"),
        max_length=reasons.LONGEST,
        required=False,
        widget=forms.Textarea(attrs={**acting.INPUT, "rows": 2}),
    )
    restocks = forms.BooleanField(label=gettext_lazy("The goods can be sold again"), required=False, initial=True)
    tells_buyer = forms.BooleanField(label=gettext_lazy("Tell the buyer"), required=False, initial=True)

    def __init__(
        self,
        *args: Any,
        left: Mapping[int, int],
        stoppable: Sequence[SubOrder],
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        rows = reasons.choices(reasons.Audience.STAFF)
        self.fields["cause"].choices = [("", "–"), *((row.code, str(row)) for row in rows)]  # type: ignore[attr-defined]
        self.fields["lines"] = forms.TypedMultipleChoiceField(
            label=_("Goods"), choices=[(position, position) for position in left], coerce=int, required=False
        )
        self.fields["parts"] = forms.TypedMultipleChoiceField(
            label=_("Sub-orders"), choices=[(part.pk, part.number) for part in stoppable], coerce=int, required=False
        )
        for position in left:
            self.fields[f"units_{position}"] = forms.IntegerField(
                label=_("Units of line %(position)d") % {"position": position},
                required=False,
                min_value=1,
                initial=left[position] or 1,
            )

    def clean(self) -> dict[str, Any]:
        """Something is ticked where only that counts."""
        data = super().clean() or {}
        if data.get("scope") == CHOSEN and not (data.get("lines") or data.get("parts") or self.errors):
            raise forms.ValidationError(_("Tick the goods or the sub-orders that are to be cancelled."))
        return data

    @property
    def selection(self) -> Selection:
        """What is to be cancelled."""
        data = self.cleaned_data
        if data["scope"] != CHOSEN:
            return Selection(is_rest=data["scope"] == REST)
        wanted = {position: data.get(f"units_{position}") or 1 for position in data["lines"]}
        return Selection(wanted, data["parts"])

    @property
    def why(self) -> reasons.Why:
        """Why. Raises OmsError where nothing was chosen nor typed."""
        return reasons.chosen(self.cleaned_data["cause"], self.cleaned_data["reason"], reasons.Audience.STAFF)


def cancel_view(request: HttpRequest, order_id: int) -> HttpResponse:
    """Choose what is cancelled; then what that does; then the confirmation of just that."""
    if not request.user.has_perms(["orders.view_order", RIGHT]):
        raise PermissionDenied
    order = _load(order_id)
    form = _form(request, order)
    preview: Preview | None = None
    changed: list[str] = []
    if request.method == "POST" and form.is_valid():
        try:
            if "confirm" in request.POST:
                return _confirm(request, order_id, form)
            form.why  # noqa: B018 - refuses before anybody looks at a preview
            preview = previewing.preview(order_id, form.selection)
        except ChangedMeanwhile as refusal:
            changed = changes_since(order_id, request.POST.get("last_event", ""))
            order = _load(order_id)
            form = _form(request, order)
            form.full_clean()
            form.add_error(None, str(refusal))
        except OmsError as refusal:
            form.add_error(None, str(refusal))
    lines, parts = _choices(order, form)
    context = {
        **admin.site.each_context(request),
        "title": _("Cancel"),
        "order": order,
        "form": form,
        "obstacle": cancelling.obstacle(order, order.sub_orders.all()),
        "lines": lines,
        "parts": parts,
        "changed": changed,
        "preview": preview,
        "promotions": [(one, rule_in_words(one.rule)) for one in preview.promotions] if preview else [],
    }
    return TemplateResponse(request, "admin/orders/order/cancel.html", context)


def _load(order_id: int) -> Order:
    order = load(order_id)
    if order is None:
        raise Http404(_("There is no such order."))
    return order


def _form(request: HttpRequest, order: Order) -> CancelForm:
    lines = list(order.lines.all())
    parts = list(order.sub_orders.all())
    left = units.left_to_cancel(order, lines, parts)
    known = {str(part.pk): part for part in parts}
    scope = request.GET.get("scope", CHOSEN if parts or len(lines) > 1 else WHOLE)
    ticked = [part for part in request.GET.getlist("part") if part in known]
    wanted = _ticked_lines(request, left)
    return CancelForm(
        request.POST if request.method == "POST" else None,
        initial={
            "scope": scope,
            "parts": ticked,
            "lines": [str(position) for position in wanted],
            **{f"units_{position}": count for position, count in wanted.items()},
        },
        left=left,
        stoppable=[part for part in parts if part.state != SubOrderState.CANCELLED],
    )


def _ticked_lines(request: HttpRequest, left: Mapping[int, int]) -> dict[int, int]:
    """The units of the lines that were ticked on the order's page (`line`, and `units_…` of it), no more than there
    are."""
    given = {text for text in request.GET.getlist("line") if text.isascii() and text.isdigit() and len(text) < 6}
    wanted = {}
    for position in sorted(map(int, given)):
        if left.get(position):
            units = request.GET.get(f"units_{position}", "")
            is_number = units.isascii() and units.isdigit() and len(units) < 10
            wanted[position] = min(max(int(units), 1), left[position]) if is_number else left[position]
    return wanted


def _choices(order: Order, form: CancelForm) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The lines and the sub-orders as the page offers them, with what is ticked."""
    rows, parts = list(order.lines.all()), list(order.sub_orders.all())
    left = units.left_to_cancel(order, rows, parts)
    ticked_lines = {str(value) for value in form["lines"].value() or ()}
    ticked_parts = {str(value) for value in form["parts"].value() or ()}
    not_seen = unseen.of([part.pk for part in parts if part.is_virtual and part.state == SubOrderState.DELIVERED])
    lines = [
        {
            "row": line,
            "left": left[line.position],
            "ticked": str(line.position) in ticked_lines,
            "units": form[f"units_{line.position}"],
        }
        for line in rows
    ]
    offered = [
        {
            "row": part,
            "ticked": str(part.pk) in ticked_parts,
            "obstacle": cancelling.part_obstacle(part, not_seen),
            "is_asked": part.state in cancelling.IN_WAREHOUSE,
        }
        for part in parts
        if part.state != SubOrderState.CANCELLED
    ]
    return lines, offered


def changes_since(order_id: int, last_event: str) -> list[str]:
    """What happened to the order since the event (id), in words."""
    if not (last_event.isascii() and last_event.isdigit() and len(last_event) < 19):
        return []
    events = OrderEvent.objects.filter(order_id=order_id, pk__gt=int(last_event)).order_by("id")
    return [kinds.tell(event) for event in events[:20]]


def _confirm(request: HttpRequest, order_id: int, form: CancelForm) -> HttpResponse:
    click = Click.of("cancel")
    order = undoing.cancel_later(
        order_id,
        click,
        form.selection,
        reason=form.why,
        actor=staff_actor(request),
        stamp=request.POST.get("stamp", ""),
        restocks=form.cleaned_data["restocks"],
        tells_buyer=form.cleaned_data["tells_buyer"],
    )
    messages.success(request, with_undo(request, done_text(order), click))
    return redirect(reverse("admin:orders_order_change", args=[order_id]))


def done_text(order: Order) -> str:
    """What came of a cancellation."""
    if order.holds.filter(kind=Hold.Kind.UNDO, released_at=None).exists():
        return _("It is about to be cancelled; the order is held until then.")
    if order.sub_orders.filter(cancel_requested_at__isnull=False).exists():
        return _("The warehouse was asked to stop its part; that is cancelled once it agrees.")
    if order.cancelled_at is not None:
        return _("The order is cancelled.")
    return _("It is cancelled; the rest of the order goes on.")
