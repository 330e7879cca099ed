"""Baskets of buyers who have not ordered yet: what their lines stand for, so that units can be set aside for them."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from inventory import selling
from inventory.hold_plans import Item
from inventory.models import Sku
from oms.common.errors import FieldError, WrongFields
from oms.merchants.models import Channel, Merchant
from orders.matching import known


@dataclass(frozen=True, slots=True)
class BasketLine:
    """Pieces of what the caller calls `code`: a SKU of the merchant of that code, or what a channel that matches codes
    knows under it, such as a bundle."""

    code: str
    quantity: int
    merchant: str = ""


def channel_of(merchant: Merchant, source: str) -> Channel:
    """The merchant's channel of that code; its own where it is empty. Raises WrongFields."""
    channel = Channel.objects.filter(merchant=merchant, code=source or merchant.code, is_active=True).first()
    if channel is None:
        detail = _("You have no open channel %(code)s.") % {"code": source or merchant.code}
        raise WrongFields([FieldError("source", "unknown_channel", detail)])
    return channel


def items(merchant: Merchant, channel: Channel, lines: Sequence[BasketLine]) -> list[Item]:
    """The SKUs that the lines want, which have positions from 1. Raises WrongFields that names every wrong line."""
    matches = known.read([channel.pk], [line.code for line in lines]) if channel.matches_skus else {}
    parts = {
        place: matches[channel.pk, line.code]
        for place, line in enumerate(lines)
        if line.merchant in ("", merchant.code) and (channel.pk, line.code) in matches
    }
    plain = {(line.merchant or merchant.code, line.code) for place, line in enumerate(lines) if place not in parts}
    sold = selling.sold_by(merchant, plain)
    of_parts = Sku.objects.in_bulk([part.sku.id for own in parts.values() for part in own])
    found: list[Item] = []
    wrong: list[FieldError] = []
    for place, line in enumerate(lines):
        if place in parts:
            found += [_item(place, line, of_parts[part.sku.id], part.units) for part in parts[place]]
            wrong += [_not_sold(place, part.sku.merchant, part.sku.code) for part in parts[place] if not part.is_sold]
            continue
        owner = line.merchant or merchant.code
        sku = sold.get((owner, line.code))
        if sku is None:
            wrong.append(_not_sold(place, owner, line.code))
        else:
            found.append(_item(place, line, sku, 1))
    if wrong:
        raise WrongFields(wrong)
    return found


def _item(place: int, line: BasketLine, sku: Sku, units: int) -> Item:
    return Item(place + 1, line.code, sku.pk, sku.merchant_id, sku.storage_class, line.quantity * units)


def _not_sold(place: int, merchant: str, code: str) -> FieldError:
    detail = _("Merchant %(merchant)s sells no SKU %(sku)s.") % {"merchant": merchant, "sku": code}
    return FieldError(f"lines.{place}.sku", "unknown_sku", detail)
