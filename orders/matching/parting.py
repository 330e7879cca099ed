"""One line of the caller's, whose code stands for several units or SKUs, becomes a line for each of them, with exactly
the same money."""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from orders.intake.apportionment import Shares, apportion
from orders.intake.checking import CheckedLine
from orders.intake.sharing import Amounts, Promoted, PromotionShare, SharedOrder, Sharing, share
from orders.matching.known import price_parts
from orders.models.amounts import ApportionmentPolicy


def part_line(
    line: CheckedLine, shares: Shares, promoted: Sequence[PromotionShare], *, adjustment_bearer: str
) -> tuple[list[CheckedLine], Sharing]:
    """The lines that one with `parts` becomes, and what each carries of its `shares` and of its promotions; these name
    their line by its place among the new ones, from 0.

    Every component of the line's money is shared in fen as an order's amounts are among its lines: by the goods' worth,
    and no part is pushed below its floor. The first line keeps the caller's id; a bundle's have the names of their
    SKUs. Raises CannotBear where the floors leave too little room, which `CheckedLine.floor_amount` excludes.
    """
    priced = price_parts(
        line.parts, quantity=line.quantity, unit_price=line.unit_price, line_discount=line.line_discount
    )
    goods = [part.goods for part in priced]
    every = range(len(priced))
    sharing = share(
        Amounts(
            goods=goods,
            floors=[part.floor for part in priced],
            key_of=lambda place: priced[place].key,
            policy=ApportionmentPolicy.FEN,
            freight=shares.freight,
            promotions=[Promoted(one.amount, one.platform_amount, every) for one in promoted],
            coupon=shares.coupon,
            adjustment=shares.adjustment,
            adjustment_bearer=adjustment_bearer,
            points=shares.points,
            gift_card=shares.gift_card,
        )
    )
    weights = [part.part.weight for part in priced]
    stated = apportion(
        line.stated_value, weights, policy=ApportionmentPolicy.FEN, key_of=lambda place: priced[place].key
    )
    is_bundle = len(priced) > 1
    lines = [
        CheckedLine(
            part.part.sku,
            part.part.sku.name if is_bundle else line.name,
            part.quantity,
            part.unit_price,
            part.line_discount,
            part.goods,
            part.floor,
            external_id="" if place else line.external_id,
            is_gift=line.is_gift,
            stated_value=stated[place],
            caller_code=line.caller_code,
            units_a_piece=part.part.units,
        )
        for place, part in enumerate(priced)
    ]
    named = [replace(one, promotion=promoted[one.promotion].promotion) for one in sharing.promotions]
    return lines, Sharing(sharing.lines, named)


def part_lines(order: SharedOrder) -> SharedOrder:
    """The order with a line for each part of those that have several. The first part stands where the caller's line
    stood, the others after the last of the caller's lines: positions that the caller knows stay."""
    checked, sharing = order.checked, order.sharing
    if not any(line.parts for line in checked.lines):
        return order
    lines, shares = list(checked.lines), list(sharing.lines)
    promotions = [one for one in sharing.promotions if not checked.lines[one.line].parts]
    for place, line in enumerate(checked.lines):
        if not line.parts:
            continue
        own = [one for one in sharing.promotions if one.line == place]
        parts, parted = part_line(line, shares[place], own, adjustment_bearer=checked.pricing.adjustment_bearer)
        places = [place, *range(len(lines), len(lines) + len(parts) - 1)]
        lines[place], shares[place] = parts[0], parted.lines[0]
        lines += [msgspec.structs.replace(part, part_of=place + 1) for part in parts[1:]]
        shares += parted.lines[1:]
        promotions += [replace(one, line=places[one.line]) for one in parted.promotions]
    return SharedOrder(msgspec.structs.replace(checked, lines=lines), Sharing(shares, promotions))
