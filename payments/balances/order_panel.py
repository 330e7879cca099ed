"""What an order's page shows of the gift cards, points and instalments that it is paid with."""

from collections.abc import Mapping
from typing import Any

from django.db.models import F, Q, Sum
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.money import yuan
from orders.asked import panels
from orders.models import Order
from payments.models import BalanceKind, BalanceMovement, Instalment, MovementKind, OrderTender
from payments.taking import forfeiting

_PAGES = {BalanceKind.GIFT_CARD: "giftcard", BalanceKind.POINTS: "pointsaccount"}


def _tendered(order: Order) -> Mapping[str, Any] | None:
    tenders = list(OrderTender.objects.filter(order=order).select_related("account").order_by("pk"))
    parts = list(Instalment.objects.filter(order=order).order_by("position"))
    if not (tenders or parts):
        return None
    sums = {row["account"]: row for row in _sums(order)} if tenders else {}
    return {
        "tenders": [_shown(tender, sums.get(tender.account_id, {})) for tender in tenders],
        "instalments": list(_parts(order, parts)),
        "order_id": order.pk,
        "held_deposit": forfeiting.held_of(order.pk) if parts else yuan(0),
    }


def _sums(order: Order) -> Any:
    rows = BalanceMovement.objects.filter(order=order).order_by().values("account")
    of = {
        "spent": Sum(-F("held_change"), filter=Q(kind=MovementKind.CAPTURED), default=0),
        "given_back": Sum("available_change", filter=Q(kind=MovementKind.GIVEN_BACK), default=0),
        "earned": Sum(
            F("available_change") - F("short_change"),
            filter=Q(kind__in=(MovementKind.EARNED, MovementKind.TAKEN_BACK)),
            default=0,
        ),
    }
    return rows.annotate(held=Sum("held_change"), **of)


def _shown(tender: OrderTender, sums: Mapping[str, int]) -> Mapping[str, Any]:
    page = _PAGES[BalanceKind(tender.account.kind)]
    return {
        "account": tender.account,
        "url": reverse(f"admin:payments_{page}_change", args=[tender.account_id]),
        "amount": tender.amount,
        **{name: yuan(sums.get(name, 0)) for name in ("held", "spent", "given_back")},
        "earns": tender.earns_per_yuan > 0,
        "earned": sums.get("earned", 0),
    }


def _parts(order: Order, parts: list[Instalment]) -> Any:
    until_then = yuan(0)
    for part in parts:
        until_then += part.amount
        is_paid = order.paid_amount >= until_then
        yield {"row": part, "is_paid": is_paid, "word": _("paid") if is_paid else _("not paid")}


panels.register(
    panels.Panel(
        gettext_lazy("Gift cards, points, instalments"), "admin/payments/tender_panel.html", _tendered, position=41
    )
)
