"""Splitting and merging sub-orders: what the order's page shows of it, what is done there, and the page of a split."""

from collections.abc import Mapping, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.desk import acting
from oms.common.desk.acting import VersionForm
from oms.common.errors import OmsError
from oms.common.money import yuan
from orders.admin.actions import check_part_of, posted
from orders.admin.staff import staff_actor
from orders.asked import panels
from orders.asked.panels import Note, Remark
from orders.changing import merging
from orders.changing.merge_fits import Fit, matches_of
from orders.fulfilling import dividing
from orders.models import Order, SubOrder, SubOrderState
from orders.models.order import OVER
from orders.models.sub_order import AT_WAREHOUSE, HOLDING_STOCK

RIGHT = "orders.merge_suborder"


class MergeForm(forms.Form):
    """Asks which sub-order of the order goes with which one of another order."""

    own = forms.IntegerField(label=gettext_lazy("Sub-order"))
    other = forms.IntegerField(label=gettext_lazy("Sub-order of another order"))


class UnmergeForm(forms.Form):
    """Asks which sub-order goes by itself again."""

    part = forms.IntegerField(label=gettext_lazy("Sub-order"))


class DivideForm(VersionForm):
    """The units of each line are read by their own names."""


@posted(RIGHT, MergeForm)
def merge_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Let a sub-order go in one parcel with one of another order."""
    check_part_of(order_id, SubOrder, data["own"])
    merging.merge([data["own"], data["other"]], actor=staff_actor(request))
    return _("They are merged: one warehouse order and one parcel. Money, invoice and state stay with each order.")


@posted(RIGHT, UnmergeForm)
def unmerge_view(request: HttpRequest, order_id: int, data: dict[str, Any]) -> str:
    """Let a sub-order go by itself again."""
    check_part_of(order_id, SubOrder, data["part"])
    part = merging.unmerge(data["part"], actor=staff_actor(request))
    return _("Sub-order %(number)s goes by itself again.") % {"number": part.number}


def merge_orders(request: HttpRequest, order_ids: Sequence[int]) -> None:
    """Merge what belongs together of the ticked orders, with a message for each merge and for each that stays alone."""
    groups, alone = merging.together(order_ids)
    for group in groups:
        numbers = _(", ").join(one.number for one in group)
        try:
            merging.merge([one.sub_order_id for one in group if one.sub_order_id], actor=staff_actor(request))
        except OmsError as refusal:
            messages.error(request, str(refusal))
        else:
            messages.success(request, _("In one parcel now: %(numbers)s.") % {"numbers": numbers})
    for one in alone:
        why = one.obstacle_text or _("none of the others goes to its recipient from its warehouse in the same way")
        messages.warning(
            request,
            _("%(number)s stays alone: %(why)s.") % {"number": one.number or one.order_number, "why": why},
        )
    if not groups and not alone:
        messages.warning(request, _("Nothing of these orders can be merged any more: warehouses have it."))


def units_typed(data: Mapping[str, Any]) -> dict[int, int]:
    """What was typed for each line (`unit-…`), by its id or position. Raises OmsError for what is no number."""
    found = {}
    for name, value in data.items():
        prefix, _sep, line = name.partition("unit-")
        if prefix or not (line.isascii() and line.isdigit()):
            continue
        text = str(value).strip() or "0"
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise OmsError(_("Give whole numbers of units, 0 for what stays."), attr="units")
        found[int(line)] = int(text)
    return found


def divide_view(request: HttpRequest, order_id: int, sub_order_id: int) -> HttpResponse:
    """The lines of a sub-order with how many units shall go by themselves; then what would come of it; POST does it."""
    if not request.user.has_perms(["orders.view_order", RIGHT]):
        raise PermissionDenied
    part = SubOrder.objects.select_related("order", "warehouse").filter(pk=sub_order_id, order=order_id).first()
    if part is None:
        raise Http404
    page = reverse("admin:orders_order_change", args=[order_id])
    if request.method == "POST":

        def do(data: dict[str, Any]) -> str:
            new = dividing.divide(
                sub_order_id, units_typed(request.POST), actor=staff_actor(request), version=data["version"]
            )
            return _("Sub-order %(number)s was split off.") % {"number": new.number}

        return acting.act(request, do, may=True, page=page, form_class=DivideForm)
    units, error, shown = {}, "", None
    try:
        units = units_typed(request.GET)
        shown = _shown(dividing.preview(part.pk, units), part) if units else None
    except OmsError as refusal:
        error = str(refusal)
    lines = part.lines.select_related("order_line__sku").order_by("order_line__position", "pk")
    context = {
        **admin.site.each_context(request),
        "title": _("Split %(number)s") % {"number": part.number},
        "part": part,
        "obstacle": dividing.obstacle(part),
        "rows": [{"line": line, "units": units.get(line.pk, 0)} for line in lines],
        "error": error,
        "preview": shown,
    }
    return TemplateResponse(request, "admin/orders/order/divide.html", context)


def _shown(preview: dividing.Preview, part: SubOrder) -> dict[str, Any]:
    rows = [(part.number, preview.kept), (_("new sub-order"), preview.new)]
    more = preview.more_freight_fen
    return {
        "rows": [
            {
                "number": number,
                "units": share.count,
                "weight_g": share.weight_g,
                "payable": yuan(share.payable_fen),
                "arrives_at": share.arrives_at,
                "freight": None if share.freight_fen is None else yuan(share.freight_fen),
            }
            for number, share in rows
        ],
        "more_freight": None if more is None else yuan(more),
    }


def _panel(order: Order) -> Mapping[str, Any] | None:
    """What of the order can be split, goes together with what, and could."""
    if order.is_historical:
        return None
    parts = list(order.sub_orders.all())
    together = _company(parts)
    matches = matches_of([order.pk]).get(order.pk, []) if order.state not in OVER else []
    divisible = dividing.divisible(order)
    matches = [one for one in matches if one.own.group_id is None or one.own.group_id != one.other.group_id]
    if not (together or matches or divisible):
        return None
    remarks = [
        Remark(
            _(
                "%(number)s goes in one parcel with %(others)s. Whoever cancels one of them has the warehouse asked to"
                " stop all of it; the others are then sent anew."
            )
            % {"number": one["row"].number, "others": _(", ").join(other.number for other in one["others"])}
        )
        for one in together
        if one["row"].state in AT_WAREHOUSE
    ]
    certain = [one.other.order_number for one in matches if one.fit == Fit.CERTAIN]
    if certain:
        text = _("Orders to the same recipient that could go in one parcel: %(numbers)s.")
        remarks.append(Remark(text % {"numbers": _(", ").join(dict.fromkeys(certain))}))
    return {"order": order, "divisible": divisible, "together": together, "matches": matches, "remarks": remarks}


def _company(parts: Sequence[SubOrder]) -> list[dict[str, Any]]:
    """The order's merged sub-orders with the others of their merges. One statement, and only where something is."""
    groups = {part.merge_group_id for part in parts if part.merge_group_id is not None}
    if not groups:
        return []
    members = list(SubOrder.objects.filter(merge_group__in=groups).select_related("order").order_by("pk"))
    return [
        {
            "row": part,
            "others": [one for one in members if one.merge_group_id == part.merge_group_id and one.pk != part.pk],
            "may_part": part.state == SubOrderState.ALLOCATED,
        }
        for part in parts
        if part.merge_group_id is not None
    ]


def _row_notes(order_ids: Sequence[int]) -> Mapping[int, list[Note]]:
    """What is merged, and what could be or is suspected to belong together. Three statements."""
    waiting = SubOrder.objects.filter(order_id__in=order_ids, state__in=HOLDING_STOCK)
    merged = waiting.filter(merge_group__isnull=False).order_by()
    notes: dict[int, list[Note]] = {}
    for order_id in dict.fromkeys(merged.values_list("order_id", flat=True)):
        notes[order_id] = [Note(_("Merged"), "info")]
    for order_id, matches in matches_of(order_ids).items():
        if order_id in notes:
            continue
        fits = {match.fit for match in matches}
        if Fit.CERTAIN in fits:
            notes[order_id] = [Note(_("Mergeable"), "success")]
        elif Fit.SUSPECTED in fits:
            notes[order_id] = [Note(_("Mergeable?"), "warning")]
    return notes


panels.register(
    panels.Panel(gettext_lazy("Split and merge"), "admin/orders/order/merge_panel.html", _panel, position=22)
)
panels.register_row_notes(_row_notes)
