"""Goods added to a placed order: lines of their own, and sub-orders of their own where the order was split already."""

from collections.abc import Sequence

from django.db.models import Count, F, Max
from django.utils.translation import gettext as _

from inventory import cod
from inventory.models import StorageClass
from oms.common.errors import OmsError
from oms.common.money import yuan
from orders.actors import Actor
from orders.changing.sets.actions import Add
from orders.models import Order, OrderCharge, OrderLine, OrderTerms, PaymentMethod, SubOrder, SubOrderLine
from orders.models.charge import ChargeCause, ChargeComponent
from orders.models.shares import SHARES


def add(order: Order, wanted: Sequence[Add], *, reference: str, actor: Actor) -> list[OrderLine]:
    """Add lines to a locked order, and charge them; returns them. As many statements for many lines as for one.

    Nothing of the order's promotions is shared among them. Raises OmsError for goods that the order cannot take.
    """
    if not wanted:
        return []
    _check(order, wanted)
    last = OrderLine.objects.filter(order=order).aggregate(last=Max("position"))["last"] or 0
    lines = OrderLine.objects.bulk_create(_line(order, one, position) for position, one in enumerate(wanted, last + 1))
    goods, units = sum((line.goods_amount for line in lines), yuan(0)), sum(line.quantity for line in lines)
    Order.objects.filter(pk=order.pk).update(
        goods_amount=F("goods_amount") + goods,
        order_amount=F("order_amount") + goods,
        payable_amount=F("payable_amount") + goods,
        line_count=F("line_count") + len(lines),
        total_quantity=F("total_quantity") + units,
    )
    OrderCharge.objects.bulk_create(
        OrderCharge(
            order=order,
            line=line,
            component=ChargeComponent.GOODS,
            cause=ChargeCause.EDIT,
            amount=line.goods_amount,
            reference=reference,
            actor_kind=actor.kind,
            actor=actor.name,
        )
        for line in lines
        if line.goods_amount
    )
    if order.split_at is not None:
        _put_into_sub_orders(order, wanted, lines)
    return lines


def _check(order: Order, wanted: Sequence[Add]) -> None:
    if order.payment_method == PaymentMethod.COD:
        refusing = cod.refusing_cod({one.sku.pk for one in wanted})
        codes = [one.sku.code for one in wanted if one.sku.pk in refusing]
        if codes:
            raise OmsError(_("%(skus)s cannot be paid on delivery.") % {"skus": _(", ").join(codes)}, attr="actions")
    if order.region_id is None:
        codes = [one.sku.code for one in wanted if one.sku.storage_class != StorageClass.VIRTUAL]
        if codes:
            detail = _("%(skus)s must be sent somewhere, and the order has no region: change the recipient first.")
            raise OmsError(detail % {"skus": _(", ").join(codes)}, attr="actions")


def _line(order: Order, one: Add, position: int) -> OrderLine:
    goods = yuan(one.units * one.price)
    nothing = dict.fromkeys((column for column in SHARES if column.endswith("_share")), yuan(0))
    return OrderLine(
        order=order,
        position=position,
        sku=one.sku,
        name=one.name,
        quantity=one.units,
        unit_price=yuan(one.price),
        line_discount=yuan(0),
        is_gift=one.is_gift,
        goods_amount=goods,
        payable_amount=goods,
        **nothing,
    )


def _put_into_sub_orders(order: Order, wanted: Sequence[Add], lines: Sequence[OrderLine]) -> None:
    """A sub-order for each merchant and storage class of the lines, as the split stage makes them."""
    groups: dict[tuple[int, str], list[tuple[Add, OrderLine]]] = {}
    for one, line in zip(wanted, lines, strict=True):
        groups.setdefault((one.sku.merchant_id, one.sku.storage_class), []).append((one, line))
    made = SubOrder.objects.filter(order=order, parent=None).aggregate(count=Count("pk"))["count"]
    terms = OrderTerms.objects.filter(order=order).only("ship_not_before").first()
    is_held = Order.objects.values_list("open_holds", flat=True).get(pk=order.pk) > 0
    parts = SubOrder.objects.bulk_create(
        SubOrder(
            number=f"{order.number}-{number}",
            order=order,
            merchant_id=merchant_id,
            storage_class=storage_class,
            payment_method=order.payment_method,
            is_held=is_held,
            ship_not_before=terms.ship_not_before if terms else None,
            total_quantity=sum(line.quantity for _one, line in members),
            weight_g=sum(line.quantity * one.sku.weight_g for one, line in members),
            **{column: sum((getattr(line, column) for _one, line in members), yuan(0)) for column in SHARES},
        )
        for number, ((merchant_id, storage_class), members) in enumerate(groups.items(), made + 1)
    )
    SubOrderLine.objects.bulk_create(
        SubOrderLine(
            sub_order=part,
            order_line=line,
            quantity=line.quantity,
            **{column: getattr(line, column) for column in SHARES},
        )
        for part, members in zip(parts, groups.values(), strict=True)
        for _one, line in members
    )
