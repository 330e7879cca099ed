"""The carrier and the warehouse that an order wishes for, changed by staff before the order is split."""

from collections.abc import Iterable

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from inventory.models import Warehouse
from oms.common.errors import OmsError
from orders import kinds
from orders.actors import Actor
from orders.intake.terms import known_carriers
from orders.locking import lock_order, mark_changed
from orders.models import Order, OrderTerms
from orders.models.order import BEFORE_SPLIT
from orders.telling import timeline


class CannotWish(OmsError):
    """The order is past the point at which carriers and warehouses are chosen by its wish."""

    code = "cannot_wish"


@transaction.atomic
def wish_for_carrier(order_id: int, carrier: str, *, actor: Actor, version: int | None = None) -> Order:
    """Wish for the carrier of this code, or with "" for none. Raises CannotWish, ChangedMeanwhile, and OmsError where
    there is no such carrier in use."""
    order = lock_order(order_id, version=version)
    terms = OrderTerms.objects.filter(order=order).first()
    before = terms.carrier if terms else ""
    if carrier == before:
        return order
    if order.state not in BEFORE_SPLIT:
        raise CannotWish(_("The order is split already: its carrier is chosen with the parcel."))
    if carrier and carrier not in {known.code for known in known_carriers() if known.is_active}:
        raise OmsError(_("There is no carrier %(code)s in use.") % {"code": carrier}, attr="carrier")
    given = {"carrier": carrier, "carrier_unmet": "", **({"carrier_class": ""} if carrier else {})}
    OrderTerms.objects.update_or_create(order=order, defaults=given)
    # What is beside the order is a part of it: who read it before must read it again.
    mark_changed(order_id)
    timeline.record(order_id, kinds.CARRIER_WISHED, actor, carrier=carrier, before=before)
    return Order.objects.get(pk=order_id)


def warehouses_for(merchants: Iterable[int]) -> QuerySet[Warehouse]:
    """The warehouses in use that orders of these merchants (ids) may wish for: those of several, and their own."""
    in_use = Warehouse.objects.filter(is_active=True).exclude(kind=Warehouse.Kind.VIRTUAL)
    return in_use.filter(~Q(kind=Warehouse.Kind.MERCHANT) | Q(merchant__in=list(merchants))).order_by("code")


@transaction.atomic
def wish_for_warehouse(order_id: int, warehouse: str, *, actor: Actor, version: int | None = None) -> Order:
    """Wish for the warehouse of this code, or with "" for none: it sends what it has all of, before all rules. Raises
    CannotWish, ChangedMeanwhile, and OmsError where there is no such warehouse in use."""
    order = lock_order(order_id, version=version)
    terms = OrderTerms.objects.filter(order=order).select_related("warehouse").first()
    before = terms.warehouse.code if terms and terms.warehouse else ""
    if warehouse == before:
        return order
    if order.state not in BEFORE_SPLIT:
        raise CannotWish(_("The order is split already: move its sub-orders to another warehouse instead."))
    chosen = warehouses_for([order.channel.merchant_id]).filter(code=warehouse).first() if warehouse else None
    if warehouse and chosen is None:
        raise OmsError(_("There is no warehouse %(code)s in use for it.") % {"code": warehouse}, attr="warehouse")
    OrderTerms.objects.update_or_create(order=order, defaults={"warehouse": chosen})
    mark_changed(order_id)
    timeline.record(order_id, kinds.WAREHOUSE_WISHED, actor, warehouse=warehouse, before=before)
    return Order.objects.get(pk=order_id)
