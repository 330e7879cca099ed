"""The list of orders in review (审单): carrier, warehouse and memo changed in the row, and many released at once."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Prefetch
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from inventory.models import Warehouse
from oms.common.errors import OmsError
from orders.actors import Actor
from orders.admin.staff import staff_actor
from orders.admin.undoing import with_undo
from orders.changing import marking, undoing, wishing
from orders.changing.undoing import Click
from orders.intake.terms import LONGEST_MEMO, known_carriers
from orders.models import Hold, Order, OrderState
from orders.reviewing import holds as holding
from orders.reviewing import words

ROWS = 50


def review_view(request: HttpRequest) -> HttpResponse:
    """The orders in review, the longest waiting first; a POST keeps what was changed in the rows, or releases."""
    if not request.user.has_perm("orders.view_order"):
        raise PermissionDenied
    if request.method == "POST":
        changed = _keep(request)
        if "release" in request.POST:
            _release(request, changed)
        return redirect(f"{reverse('admin:orders_order_review')}?{request.GET.urlencode()}")
    return TemplateResponse(request, "admin/orders/order/review.html", _context(request))


def _context(request: HttpRequest) -> dict[str, Any]:
    from django.contrib.admin import site

    only_held = request.GET.get("held") != "0"
    after = request.GET.get("after", "")
    found = Order.objects.filter(state=OrderState.IN_REVIEW)
    if only_held:
        found = found.filter(open_holds__gt=0)
    if after.isascii() and after.isdigit() and len(after) < 19:
        found = found.filter(pk__gt=int(after))
    open_ones = Prefetch("holds", Hold.objects.filter(released_at=None).order_by("id"), to_attr="open_ones")
    orders = list(
        found.select_related("channel", "region", "terms__warehouse")
        .prefetch_related(open_ones)
        .order_by("pk")[: ROWS + 1]
    )
    shown = orders[:ROWS]
    carriers = [known.code for known in known_carriers() if known.is_active]
    warehouses = list(wishing.warehouses_for({order.channel.merchant_id for order in shown}))
    return {
        **site.each_context(request),
        "title": _("Orders in review"),
        "rows": [_row(order, request, carriers, warehouses) for order in shown],
        "only_held": only_held,
        "next": shown[-1].pk if len(orders) > ROWS else None,
        "longest_memo": LONGEST_MEMO,
        "may_mark": request.user.has_perm("orders.mark_order"),
    }


def _row(
    order: Order, request: HttpRequest, carriers: Iterable[str], warehouses: Iterable[Warehouse]
) -> dict[str, Any]:
    terms = getattr(order, "terms", None)
    carrier = terms.carrier if terms else ""
    warehouse = terms.warehouse.code if terms and terms.warehouse else ""
    fitting = {
        one.code: one.name
        for one in warehouses
        if one.kind != Warehouse.Kind.MERCHANT or one.merchant_id == order.channel.merchant_id
    }
    return {
        "order": order,
        "holds": [words.worded(hold) for hold in order.open_ones],  # type: ignore[attr-defined]
        "may_release": any(_is_mine(hold, request) for hold in order.open_ones),  # type: ignore[attr-defined]
        "carrier": carrier,
        "carriers": sorted({*carriers, *([carrier] if carrier else [])}),
        "warehouse": warehouse,
        "warehouses": sorted({**({warehouse: ""} if warehouse else {}), **fitting}.items()),
        "memo": terms.seller_memo if terms else "",
    }


def _is_mine(hold: Hold, request: HttpRequest) -> bool:
    return hold.kind not in holding.ENDS_BY_ITSELF and holding.may_release(hold, request.user.has_perm)


def _ids(values: Iterable[str]) -> list[int]:
    return [int(text) for text in values if text.isascii() and text.isdigit() and len(text) < 19][:ROWS]


def _number(request: HttpRequest, name: str) -> int | None:
    found = _ids([request.POST.get(name, "")])
    return found[0] if found else None


def _keep(request: HttpRequest) -> dict[int, int]:
    """Keep carriers, warehouses and memos that differ from what the page showed; each order by itself, all of it or
    nothing. Returns the versions of those that were changed by it."""
    changed = []
    for order_id in _ids(request.POST.getlist("row")):
        given = {name: request.POST.get(f"{name}-{order_id}") for name in ("carrier", "warehouse", "memo")}
        said = {
            name: text.strip()
            for name, text in given.items()
            if text is not None and text.strip() != request.POST.get(f"{name}-{order_id}-was", "")
        }
        if said:
            changed.append((order_id, said))
    if changed and not request.user.has_perm("orders.mark_order"):
        raise PermissionDenied
    kept: dict[int, int] = {}
    numbers = dict(Order.objects.filter(pk__in=[key for key, _said in changed]).values_list("pk", "number"))
    for order_id, said in changed:
        if order_id not in numbers:
            continue
        try:
            kept[order_id] = _change(order_id, said, _number(request, f"version-{order_id}"), staff_actor(request))
        except OmsError as refusal:
            # The page that follows shows what is there now: what was typed is said once more.
            typed = _(", ").join(text for text in said.values() if text)
            text = _("%(refusal)s You had typed: %(text)s.") % {"refusal": refusal, "text": typed} if typed else refusal
            messages.error(request, f"{numbers[order_id]}: {text}")
    if kept:
        text = ngettext("One order was changed.", "%(count)d orders were changed.", len(kept))
        messages.success(request, text % {"count": len(kept)})
    return kept


@transaction.atomic
def _change(order_id: int, said: Mapping[str, str], version: int | None, actor: Actor) -> int:
    """Change what was said of an order; returns its version then."""
    if "carrier" in said:
        version = wishing.wish_for_carrier(order_id, said["carrier"], actor=actor, version=version).version
    if "warehouse" in said:
        version = wishing.wish_for_warehouse(order_id, said["warehouse"], actor=actor, version=version).version
    if "memo" in said:
        version = marking.mark(order_id, seller_memo=said["memo"], actor=actor, version=version).version
    assert version is not None  # noqa: S101 - something was said
    return version


def _release(request: HttpRequest, changed: Mapping[int, int]) -> None:
    """Release what the person may of the ticked orders, as they were looked at; `changed` has the versions of those
    that were changed with it."""
    ticked = _ids(request.POST.getlist("ticked"))
    found: dict[int, list[int]] = {}
    for hold in Hold.objects.filter(order__in=ticked, released_at=None, order__state=OrderState.IN_REVIEW):
        if _is_mine(hold, request):
            found.setdefault(hold.order_id, []).append(hold.pk)
    click, done = Click.of("bulk"), 0
    numbers = dict(Order.objects.filter(pk__in=ticked).values_list("pk", "number"))
    for order_id in ticked:
        if order_id not in numbers:
            continue
        try:
            if order_id not in found:
                raise OmsError(_("It has no hold that you may release."))
            undoing.release_later(
                order_id,
                found[order_id],
                click,
                note=request.POST.get("note", ""),
                actor=staff_actor(request),
                version=changed.get(order_id, _number(request, f"version-{order_id}")),
                has_right=request.user.has_perm,
            )
            done += 1
        except OmsError as refusal:
            messages.error(request, f"{numbers[order_id]}: {refusal}")
    if done:
        text = ngettext("One order is released.", "%(count)d orders are released.", done) % {"count": done}
        messages.success(request, with_undo(request, text, click))
