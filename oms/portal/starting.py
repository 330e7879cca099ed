"""The check-list of a new merchant: what it takes to ship the first parcel, how far that is, a test of each step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models import Sku, Stock, Warehouse
from oms.common.errors import OmsError
from oms.merchant_admin import merchant_of, site
from oms.merchants.models import EndpointState, Merchant
from oms.merchants.webhooks import endpoints
from orders.models import Order, OrderState, SubOrder, SubOrderState
from orders.models.sub_order import LEFT_WAREHOUSE

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Tried:
    """What a test of a step found, in words."""

    is_fine: bool
    text: str


@dataclass(frozen=True, slots=True)
class Step:
    """A step: its title, what to do, where, whether it is done, and the test; `right` is what doing it takes."""

    code: str
    title: Any
    hint: Any
    page: str
    right: str
    is_done: Callable[[Merchant], bool]
    test: Callable[[Merchant], Tried]


def _named(codes: list[str]) -> str:
    return ", ".join(codes[:MOST_NAMED]) + (" …" if len(codes) > MOST_NAMED else "")


def _warehouses(merchant: Merchant) -> list[Warehouse]:
    return list(Warehouse.objects.filter(merchant=merchant, is_active=True).order_by("code"))


def _try_warehouses(merchant: Merchant) -> Tried:
    places = _warehouses(merchant)
    if not places:
        return Tried(False, _("You have no warehouse yet."))
    silent = [one.code for one in places if one.connection_id is None and one.kind != Warehouse.Kind.VIRTUAL]
    if silent:
        text = _("Nothing can be sent from %(codes)s: ask the operator to connect them.")
        return Tried(False, text % {"codes": _named(silent)})
    return Tried(True, _("Orders can be sent to: %(codes)s.") % {"codes": _named([one.code for one in places])})


def _try_skus(merchant: Merchant) -> Tried:
    kept = {one for place in _warehouses(merchant) for one in place.storage_classes}
    skus = Sku.objects.visible_to(merchant).filter(is_active=True)
    if not skus.exists():
        return Tried(False, _("You have no SKU that is on sale."))
    strange = list(skus.exclude(storage_class__in=kept).order_by("code").values_list("code", flat=True)[:20])
    if strange:
        text = _("No warehouse of yours keeps the storage class of: %(codes)s.")
        return Tried(False, text % {"codes": _named(strange)})
    weightless = list(skus.filter(weight_g=0).order_by("code").values_list("code", flat=True)[:20])
    if weightless:
        text = _("They can be sold; freight and promises are better with the weight of: %(codes)s.")
        return Tried(True, text % {"codes": _named(weightless)})
    return Tried(True, _("They can be sold."))


def _stocked(merchant: Merchant) -> Any:
    return Stock.objects.visible_to(merchant).filter(on_hand__gt=0)


def _try_stock(merchant: Merchant) -> Tried:
    empty = Sku.objects.visible_to(merchant).filter(is_active=True).exclude(pk__in=_stocked(merchant).values("sku"))
    codes = list(empty.order_by("code").values_list("code", flat=True)[:20])
    if codes:
        return Tried(False, _("No unit is counted of: %(codes)s.") % {"codes": _named(codes)})
    if not _stocked(merchant).exists():
        return Tried(False, _("Nothing is counted yet."))
    return Tried(True, _("Every SKU on sale has units."))


def _keys(merchant: Merchant) -> Any:
    return merchant.credentials.filter(revoked_at=None)


def _try_key(merchant: Merchant) -> Tried:
    if not _keys(merchant).exists():
        return Tried(False, _("There is no credential in force."))
    last = _keys(merchant).filter(last_used_at__isnull=False).order_by("-last_used_at").first()
    if last is None:
        return Tried(False, _("No call came yet. Try GET /api/v1/me."))
    return Tried(
        True, _("%(name)s called last at %(when)s.") % {"name": last.name, "when": f"{last.last_used_at:%F %T}"}
    )


def _enabled(merchant: Merchant) -> Any:
    return merchant.webhook_endpoints.filter(state=EndpointState.ENABLED)


def _try_webhook(merchant: Merchant) -> Tried:
    endpoint = _enabled(merchant).order_by("pk").first()
    if endpoint is None:
        return Tried(False, _("There is no endpoint that is enabled."))
    endpoints.ping(endpoint.pk)
    return Tried(True, _("A test message is on its way to %(url)s.") % {"url": endpoint.url})


def _try_order(merchant: Merchant) -> Tried:
    order = Order.objects.visible_to(merchant).order_by("-pk").first()
    if order is None:
        return Tried(False, _("No order came yet."))
    parts = list(SubOrder.objects.filter(order=order).order_by("pk"))
    states = ", ".join(f"{part.number}: {part.get_state_display()}" for part in parts) or order.get_state_display()
    if order.state == OrderState.AWAITING_PAYMENT:
        return Tried(False, _("The newest order, %(number)s, waits for its payment.") % {"number": order.number})
    waits = any(part.state == SubOrderState.BACKORDERED for part in parts)
    text = _("The newest order, %(number)s: %(states)s.") % {"number": order.number, "states": states}
    return Tried(not waits, text)


STEPS = (
    Step(
        "warehouse",
        gettext_lazy("Open a warehouse"),
        gettext_lazy("Where your goods lie and are sent from."),
        "merchant:inventory_warehouse_add",
        "portal.warehouses",
        lambda merchant: bool(_warehouses(merchant)),
        _try_warehouses,
    ),
    Step(
        "skus",
        gettext_lazy("Add SKUs"),
        gettext_lazy("One by one, by a sheet, or by the API."),
        "merchant:inventory_sku_add",
        "portal.catalogue",
        lambda merchant: Sku.objects.visible_to(merchant).exists(),
        _try_skus,
    ),
    Step(
        "stock",
        gettext_lazy("Count the stock"),
        gettext_lazy("Only what is counted can be promised."),
        "merchant:inventory_stock_count",
        "portal.catalogue",
        lambda merchant: _stocked(merchant).exists(),
        _try_stock,
    ),
    Step(
        "key",
        gettext_lazy("Make a key for the API"),
        gettext_lazy("Not needed for who works on these pages alone."),
        "merchant:merchants_apicredential_changelist",
        "portal.keys",
        lambda merchant: _keys(merchant).filter(last_used_at__isnull=False).exists(),
        _try_key,
    ),
    Step(
        "webhook",
        gettext_lazy("Add a webhook endpoint"),
        gettext_lazy("Your system is told what happens. Not needed on these pages alone."),
        "merchant:merchants_webhookendpoint_changelist",
        "portal.keys",
        lambda merchant: _enabled(merchant).exists(),
        _try_webhook,
    ),
    Step(
        "order",
        gettext_lazy("Ship the first order"),
        gettext_lazy(
            "Send it by the API, or import it by a sheet; once it is yours to ship, it stands in Orders to ship."
        ),
        "merchant:logistics_warehouseorder_changelist",
        "portal.ship",
        lambda merchant: SubOrder.objects.visible_to(merchant).filter(state__in=LEFT_WAREHOUSE).exists(),
        _try_order,
    ),
)


def steps_of(request: HttpRequest) -> Mapping[str, Any]:
    """The check-list for the front page; empty once everything that it takes is done."""
    merchant = merchant_of(request)
    if merchant is None:
        return {}
    rows = [
        {
            "step": step,
            "is_done": step.is_done(merchant),
            "link": reverse(step.page) if request.user.has_perm(step.right) else "",
            "test": reverse("merchant:starting_test", args=[step.code]),
        }
        for step in STEPS
    ]
    needed = {"warehouse", "skus", "stock", "order"}
    is_over = all(row["is_done"] for row in rows if row["step"].code in needed)  # type: ignore[attr-defined]
    return {"steps": rows, "is_started": is_over, "steps_done": sum(bool(row["is_done"]) for row in rows)}


def test_view(request: HttpRequest, code: str) -> HttpResponse:
    """Test a step, and say on the front page what came of it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    step = next((one for one in STEPS if one.code == code), None)
    merchant = merchant_of(request)
    if step is None or merchant is None:
        raise Http404
    if not request.user.has_perm(step.right):
        raise PermissionDenied
    try:
        tried = step.test(merchant)
    except OmsError as refusal:
        tried = Tried(False, str(refusal))
    tell = messages.success if tried.is_fine else messages.warning
    tell(request, f"{step.title}: {tried.text}")
    return redirect("merchant:index")


def urls() -> list[Any]:
    """The addresses of the tests."""
    return [path("start/<slug:code>/", site.admin_view(test_view), name="starting_test")]


site.front_parts.append(steps_of)
site.more_urls.append(urls)
