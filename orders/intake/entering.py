"""Orders that staff type while a buyer is on the phone: what the channel sells, what the order would be, and placing it
by the service behind every door."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from django.utils import timezone

from inventory import selling, sharing
from inventory.filters import found_skus
from inventory.models import Region, Sku
from inventory.promising import quoting
from inventory.promising.quoting import BasketLine, Quote
from oms.common.errors import FieldError
from oms.common.money import to_fen
from oms.merchants.models import Channel
from orders.actors import Actor
from orders.fulfilling.waiting import units_waited_for
from orders.intake import placing
from orders.intake.bodies import BuyerBody, CollectedBody, LineBody, OrderBody, RecipientBody
from orders.intake.locating import Atlas, locate
from orders.intake.placing import Outcome, place_orders
from orders.intake.terms import carriers_in_use
from orders.models import PaymentMethod

MOST_FOUND = 20


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who gets it: `address` is free text. Where name or phone is empty, it is read from that text."""

    name: str
    phone: str
    address: str


@dataclass(frozen=True, slots=True)
class TypedLine:
    """Units of a SKU at a price in yuan."""

    sku: Sku
    quantity: int
    unit_price: Decimal


@dataclass(frozen=True, slots=True)
class TypedOrder:
    """What a person typed. `key` makes it one order however often it is sent; amounts in yuan, the adjustment
    signed. `is_collected` says that the seller has the buyer's money already."""

    channel: Channel
    key: str
    buyer: str
    recipient: Recipient
    lines: Sequence[TypedLine]
    payment_method: str
    freight: Decimal = Decimal(0)
    adjustment: Decimal = Decimal(0)
    adjustment_reason: str = ""
    remark: str = ""
    seller_memo: str = ""
    is_collected: bool = False

    @property
    def goods_amount(self) -> Decimal:
        """What the goods cost, in yuan."""
        return sum((line.quantity * line.unit_price for line in self.lines), Decimal(0))

    @property
    def payable_amount(self) -> Decimal:
        """What the buyer is to pay, in yuan."""
        return self.goods_amount + self.freight + self.adjustment


@dataclass(frozen=True, slots=True)
class Read:
    """A recipient as it was understood: `region` where it is certain, else the places that may be meant."""

    recipient: Recipient
    region: Region | None
    candidates: Sequence[str]


@dataclass(frozen=True, slots=True)
class Found:
    """A SKU that the channel sells, and how many units it may sell now."""

    sku: Sku
    units: int


def skus_of(channel: Channel, sku_ids: Iterable[int]) -> dict[int, Sku]:
    """Those of the SKUs (ids) that the channel may sell now. One statement."""
    return {sku.pk: sku for sku in selling.catalogue_of(channel.merchant).filter(pk__in=list(sku_ids))}


def find(channel: Channel, text: str) -> list[Found]:
    """What the channel sells by that code, barcode or part of a name, the first `MOST_FOUND` by code. Three
    statements."""
    if not text.strip():
        return []
    skus = list(found_skus(selling.catalogue_of(channel.merchant), text).order_by("code")[:MOST_FOUND])
    units = sharing.sellable_units({channel.pk: [sku.pk for sku in skus]})
    return [Found(sku, units[channel.pk, sku.pk]) for sku in skus]


def read(order: TypedOrder) -> Read:
    """The recipient, understood as every door understands one."""
    located = locate(_body(order), Atlas())
    found = located.body.recipient
    region = Region.objects.filter(code=found.region_code).first() if found.region_code else None
    address = found.address if region is None else f"{region} {found.address}"
    return Read(
        replace(order.recipient, name=found.name, phone=found.phone, address=address.strip()),
        region,
        [str(place) for place in located.candidates],
    )


def quote(order: TypedOrder, region: Region) -> Quote:
    """What could be promised of it now: parcels, dates, freight, and whether cash can be collected there."""
    basket = [BasketLine(line.sku, line.quantity, to_fen(line.unit_price)) for line in order.lines]
    return quoting.quote(
        basket,
        region.code,
        timezone.now(),
        channel_id=order.channel.pk,
        is_cod=order.payment_method == PaymentMethod.COD,
        carriers=carriers_in_use(),
        waited_for=units_waited_for,
    )


def refusals(order: TypedOrder) -> Sequence[FieldError]:
    """Why it would be refused; nothing is stored."""
    return placing.refusals(_body(order), order.channel.merchant)


def place(order: TypedOrder, *, actor: Actor) -> Outcome:
    """Place it: the order, the one that this key made before, or why it is refused."""
    [outcome] = place_orders([_body(order)], order.channel.merchant, actor=actor)
    return outcome


def words_of(errors: Iterable[FieldError], labels: Mapping[str, str]) -> list[str]:
    """The errors in words, each behind the label of its field, by the last part of the field's name."""
    found = []
    for error in errors:
        label = labels.get((error.attr or "").rsplit(".", 1)[-1])
        found.append(f"{label}: {error.detail}" if label else str(error.detail))
    return found


def _body(order: TypedOrder) -> OrderBody:
    person = order.recipient
    phone = person.phone.strip()
    now = timezone.now()
    return OrderBody(
        external_number=order.key,
        ordered_at=now,
        buyer=BuyerBody(order.buyer.strip() or phone, person.name, phone),
        recipient=RecipientBody(person.name, phone, person.address),
        lines=[
            LineBody(line.sku.code, line.quantity, line.unit_price, merchant=line.sku.merchant.code)
            for line in order.lines
        ],
        payable_amount=order.payable_amount,
        payment_method=order.payment_method,
        source=order.channel.code,
        freight_amount=order.freight,
        adjustment_amount=order.adjustment,
        adjustment_reason=order.adjustment_reason,
        remark=order.remark,
        seller_memo=order.seller_memo,
        collected=CollectedBody(now, order.payable_amount) if order.is_collected and order.payable_amount > 0 else None,
    )
