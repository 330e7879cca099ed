"""Exchanges (换货): what goods are wished for in place of those that come back, at which price, and their order.

The same goods cost, unless the channel says otherwise, what those that come back had cost the buyer, unit for unit;
other goods today's price. What comes of the money is above (`payments.exchanging`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from inventory import selling
from inventory.models import Sku
from oms.common.errors import OmsError
from oms.common.money import to_fen, yuan
from oms.merchants.models import ExchangePrice
from orders.actors import Actor
from orders.changing import correcting, followers
from orders.intake.bodies import LineBody, PromotionBody
from orders.intake.placing import Placed, Refused
from orders.models import Exchange, Fault, Order, ReturnLine, ReturnRequest
from orders.models.order_link import CostBearer, LinkKind

MOST_LINES, MOST_UNITS = 50, 10_000
_BEARERS = {
    Fault.BUYER: CostBearer.BUYER,
    Fault.MERCHANT: CostBearer.MERCHANT,
    Fault.PLATFORM: CostBearer.PLATFORM,
}


class CannotExchange(OmsError):
    """The goods cannot be exchanged so, or not now."""

    code = "cannot_exchange"


@dataclass(frozen=True, slots=True)
class NewGoods:
    """Units of a SKU, by the codes of its merchant ("": the channel's) and its own, that the buyer is to get."""

    sku: str
    quantity: int
    merchant: str = ""


@dataclass(frozen=True, slots=True)
class NewLine:
    """A line of the new order: price of a unit and what is off the line, in fen, of which the platform bears
    `platform`. `is_old`: at the price of what comes back."""

    sku: Sku
    name: str
    units: int
    unit_price: int
    discount: int
    is_old: bool
    platform: int = 0

    @property
    def amount(self) -> int:
        """What the line costs, in fen."""
        return self.units * self.unit_price - self.discount


def keep_wish(row: ReturnRequest, goods: Sequence[NewGoods]) -> Exchange:
    """Keep what goods the buyer wants for the units of a return that is asked for now. Raises CannotExchange."""
    owner = row.order.channel.merchant
    if len(goods) > MOST_LINES:
        raise CannotExchange(_("Give at most %(most)d lines of new goods.") % {"most": MOST_LINES}, attr="goods")
    wish = [{"merchant": one.merchant or owner.code, "sku": one.sku, "quantity": one.quantity} for one in goods]
    if any(not 1 <= one.quantity <= MOST_UNITS for one in goods):
        raise CannotExchange(_("Give a quantity of at least 1."), attr="goods")
    _skus(row.order, wish)
    return Exchange.objects.create(return_request=row, wish=wish, leaves=row.order.channel.exchange_leaves)


def _skus(order: Order, wish: Sequence[dict[str, Any]]) -> list[Sku]:
    """The SKUs of the wish. Raises CannotExchange for what the channel does not sell now."""
    pairs = [(str(one["merchant"]), str(one["sku"])) for one in wish]
    known = selling.sold_by(order.channel.merchant, pairs) if pairs else {}
    for pair in pairs:
        if pair not in known:
            detail = _("The channel does not sell %(sku)s now: choose another one.")
            raise CannotExchange(detail % {"sku": pair[1]}, attr="goods")
    return [known[pair] for pair in pairs]


@dataclass(slots=True)
class _Back:
    """Units of a line that come back, of which so many are exchanged already. `costs[k]`: what the first `k` of them
    had cost the buyer, without freight, in fen; `borne[k]` what the platform bore of them."""

    sku: Sku
    name: str
    unit_price: int
    units: int
    costs: Sequence[int]
    borne: Sequence[int]
    used: int = 0

    def take(self, units: int) -> tuple[int, int]:
        """What the next units had cost, and what the platform bore of them."""
        before, self.used = self.used, self.used + units
        return self.costs[self.used] - self.costs[before], self.borne[self.used] - self.borne[before]


def priced(order: Order, exchange: Exchange, lines: Sequence[ReturnLine]) -> list[NewLine]:
    """The lines of the new order for what the lines of the locked return bring back. The order's channel is loaded
    with its merchant. Raises CannotExchange for goods that are not sold any more."""
    back = _backs(order, lines)
    if exchange.wish:
        wanted = [
            (sku, sku.name, int(one["quantity"]))
            for sku, one in zip(_skus(order, exchange.wish), exchange.wish, strict=True)
        ]
    else:
        wish = [{"merchant": one.sku.merchant.code, "sku": one.sku.code, "quantity": one.units} for one in back]
        wanted = [(sku, one.name, one.units) for sku, one in zip(_skus(order, wish), back, strict=True)]
    policies = order.channel.exchange_same_price, order.channel.exchange_other_price
    left = {id(one): one for one in back}
    found: list[NewLine] = []
    rest: list[tuple[Sku, str, int]] = []
    for sku, name, units in wanted:
        same = [one for one in left.values() if one.sku.pk == sku.pk]
        open_units = units
        if policies[0] == ExchangePrice.OLD:
            open_units -= _at_old_price(sku, name, units, same, found)
        rest.append((sku, name, open_units))
    for sku, name, units in rest:
        open_units = units
        is_same = any(one.sku.pk == sku.pk for one in back)
        if not is_same and policies[1] == ExchangePrice.OLD:
            open_units -= _at_old_price(sku, name, units, list(left.values()), found)
        if open_units:
            found.append(NewLine(sku, name, open_units, to_fen(sku.list_price), 0, is_old=False))
    return found


def _at_old_price(sku: Sku, name: str, units: int, back: Sequence[_Back], found: list[NewLine]) -> int:
    """Add lines at the prices of what comes back; returns for how many units there was such a price."""
    done = 0
    for one in back:
        count = min(units - done, one.units - one.used)
        if count > 0:
            cost, platform = one.take(count)
            # The merchant gets of the new goods what it got of the old ones: the platform bears its part again.
            price = max(one.unit_price if one.sku.pk == sku.pk else 0, -(-(cost + platform) // count))
            found.append(NewLine(sku, name, count, price, price * count - cost, is_old=True, platform=platform))
            done += count
    return done


def _backs(order: Order, lines: Sequence[ReturnLine]) -> list[_Back]:
    parts = {part.id: part for part in correcting.parts(order.pk)}
    found = []
    for line in lines:
        part, sold = parts.get(line.sub_order_line_id), line.sub_order_line.order_line
        if part is None or not line.open_quantity:
            continue
        if line.open_quantity > part.units:
            raise CannotExchange(_("Units of line %(position)d went back otherwise.") % {"position": part.position})
        costs, borne = [0], [0]
        for count in range(1, line.open_quantity + 1):
            shares = part.shares.take(count, part.units)
            costs.append(shares.goods - shares.promotion - shares.coupon + shares.adjustment)
            coupon = 0 if order.deductions_are_outside else shares.coupon
            off = shares.promotion + coupon - shares.adjustment - shares.merchant_borne
            borne.append(max(off, borne[-1]))
        found.append(_Back(sold.sku, sold.name, to_fen(sold.unit_price), line.open_quantity, costs, borne))
    if not found:
        raise CannotExchange(_("No unit of the return is left to exchange."))
    return found


def place(row: ReturnRequest, order: Order, lines: Sequence[NewLine], *, actor: Actor) -> Placed:
    """Place the order of the new goods beside the locked original one. Raises CannotExchange."""
    bodies = [
        LineBody(
            sku=line.sku.code,
            quantity=line.units,
            unit_price=yuan(line.unit_price),
            line_discount=yuan(line.discount - line.platform),
            merchant=line.sku.merchant.code,
            name=line.name,
        )
        for line in lines
    ]
    promotions = [
        PromotionBody(
            id=f"{row.number}-{place}",
            name=row.number,
            amount=yuan(line.platform),
            platform_amount=yuan(line.platform),
            lines=[place],
        )
        for place, line in enumerate(lines, 1)
        if line.platform
    ]
    units = {
        str(line.sub_order_line.order_line.position): line.open_quantity
        for line in row.lines.select_related("sub_order_line__order_line")
    }
    outcome = followers.place(
        order,
        bodies,
        "H",
        actor=actor,
        kind=LinkKind.EXCHANGE,
        note=row.number,
        bearer=_BEARERS[Fault(row.fault)],
        units=units,
        promotions=promotions,
    )
    if isinstance(outcome, Refused):
        details = " ".join(str(error.detail) for error in outcome.errors)
        raise CannotExchange(_("The new goods cannot be sent: %(why)s") % {"why": details}, attr="goods")
    if not isinstance(outcome, Placed):
        raise CannotExchange(_("Somebody exchanged something just now. Look at the order again."))
    return outcome
