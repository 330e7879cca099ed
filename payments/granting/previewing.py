"""What a grant would give, line by line, before anybody confirms it."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Sum
from django.db.models.functions import Coalesce
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.money import fen_text, to_fen, yuan
from orders.actors import Actor
from orders.changing import charging, correcting, followed_gifts
from orders.changing.followed_gifts import FollowedGift
from orders.changing.keeping import RULES_VERSION, FreightBack
from orders.intake.apportionment import Shares
from orders.locking import lock_order
from orders.models import ActorKind, OrderLine, OrderPromotion, SubOrderState
from orders.returning import counting
from payments.exchanging import setting_off
from payments.models import GrantKind, GrantReason, GrantState, RefundGrant, RefundGrantLine
from payments.owing import owed

# Goods that somebody has can come back.
_HAD = (SubOrderState.DELIVERED, SubOrderState.COMPLETED)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants granted. For returned goods: units by the line's position, and of gifts those that did not
    come back though they should. For all else: an amount in yuan, with the line (position) for price protection.

    What a return (`return_id`) is granted for names the units by sub-order line instead, as it has them: `parts`, and
    of gifts `parts_missing`. `followed_kept` are units of gifts that followed as orders of their own and did not come
    back, by the sub-order line that sent them.
    """

    kind: GrantKind
    amount: Decimal = Decimal(0)
    line: int | None = None
    units: Mapping[int, int] | None = None
    gifts_kept: Mapping[int, int] | None = None
    return_id: int | None = None
    parts: Mapping[int, int] | None = None
    parts_missing: Mapping[int, int] | None = None
    followed_kept: Mapping[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ReturnedLine:
    """Units of a line that come back, with what they carry of each component, in fen."""

    position: int
    name: str
    units: int
    goods: int
    freight: int
    promotion: int
    coupon: int
    adjustment: int
    points: int
    gift_card: int
    payable: int


@dataclass(frozen=True, slots=True)
class PromotionShown:
    """What the kept goods have of a promotion by their shares, and what it leaves them; in fen."""

    code: str
    name: str
    share: int
    now: int


@dataclass(frozen=True, slots=True)
class Calculation:
    """What would go back, in fen: in all and by tender; the share that was paid for the returned units; what the kept
    goods cost; what is charged beyond (lost promotions, gifts, freight), and what of that is forgiven; and what
    pays for goods in exchange."""

    amount: int
    cash: int
    gift_card: int
    points: int
    share_paid: int
    kept_cost: int
    gifts_charged: int
    freight_kept: int
    not_collected: int
    lines: tuple[ReturnedLine, ...] = ()
    promotions: tuple[PromotionShown, ...] = ()
    rules_version: int = RULES_VERSION
    exchanged: int = 0

    def as_json(self) -> dict[str, Any]:
        """The form in which it is stored and shown, amounts in yuan as text."""
        return {name: _shown(name, value) for name, value in asdict(self).items()}


_COUNTS = frozenset({"position", "units", "rules_version"})


def _shown(name: str, value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [{key: _shown(key, part) for key, part in row.items()} for row in value]
    return fen_text(value) if isinstance(value, int) and name not in _COUNTS else value


@dataclass(frozen=True, slots=True)
class Chosen:
    """The parts of lines from which the units are taken: by sub-order line; and of gifts those that are missing."""

    units: Mapping[int, int]
    missing: Mapping[int, int]
    gifts_kept: Mapping[int, int]


@transaction.atomic
def preview(order_id: int, wanted: Wanted, reason: GrantReason, *, states: Collection[str] = _HAD) -> Calculation:
    """What granting it would give back now. Nothing is changed: it is done and taken back again, so that it cannot
    differ from what is really done. `states` are those of sub-orders whose units can be named.

    Raises OmsError for units that cannot come back, and for more money than the order has left.
    """
    lock_order(order_id)
    calculation, _chosen = work_out(order_id, wanted, reason, states=states)
    return calculation


def work_out(
    order_id: int, wanted: Wanted, reason: GrantReason, *, states: Collection[str] = _HAD
) -> tuple[Calculation, Chosen]:
    """As `preview`, of a locked order, with the units that it chose."""
    if wanted.kind == GrantKind.RETURN:
        choose = _choose_parts if wanted.return_id is not None else _choose
        chosen = _with_followed(order_id, choose(order_id, wanted, states), wanted.followed_kept or {})
        calculation = _of_return(order_id, chosen, reason, wanted.return_id)
    else:
        chosen = Chosen({}, {}, {})
        calculation = _of_amount(wanted)
        if wanted.line is not None and not OrderLine.objects.filter(order=order_id, position=wanted.line).exists():
            raise OmsError(_("The order has no line %(position)d.") % {"position": wanted.line}, attr="line")
        if wanted.kind == GrantKind.PRICE_PROTECTION:
            _check_line(order_id, wanted)
    _check_left(order_id, calculation)
    return calculation, chosen


def _check_line(order_id: int, wanted: Wanted) -> None:
    """No line's price is protected by more than is left of it, other proposals taken off."""
    if wanted.line is None:
        raise OmsError(_("Name the line whose price is protected."), attr="line")
    line_id = OrderLine.objects.values_list("pk", flat=True).get(order=order_id, position=wanted.line)
    waiting = RefundGrant.objects.filter(line=line_id, kind=wanted.kind, state=GrantState.PROPOSED)
    proposed = waiting.aggregate(cash=Coalesce(Sum("cash_amount"), Decimal(0)))["cash"]
    charging.check_line(wanted.amount, charging.left_of_line(order_id, line_id) - proposed)


def work_out_again(grant: RefundGrant) -> tuple[Calculation, Chosen]:
    """What a proposed grant would give back by now, of a locked order. Raises OmsError where its units are gone, or the
    money is."""
    if grant.kind != GrantKind.RETURN:
        calculation, chosen = _of_amount(Wanted(GrantKind(grant.kind), grant.amount)), Chosen({}, {}, {})
    else:
        units: dict[bool, dict[int, int]] = {False: {}, True: {}}
        gifts: dict[int, int] = {}
        for line in grant.lines.select_related("sub_order_line"):
            units[line.is_missing][line.sub_order_line_id] = line.quantity
            if line.is_missing:
                key = line.sub_order_line.order_line_id
                gifts[key] = gifts.get(key, 0) + line.quantity
        chosen = Chosen(units[False], units[True], gifts)
        held = counting.held_by_others(grant.order_id, but=grant.return_request_id)
        there = {
            part.id: part.units - held.get(part.id, 0)
            for part in correcting.parts(grant.order_id)
            if part.state in _HAD
        }
        if any(there.get(key, 0) < count for key, count in chosen.units.items()):
            raise OmsError(_("These units went back otherwise meanwhile. Decline this, and propose it anew."))
        calculation = _of_return(grant.order_id, chosen, grant.reason, grant.return_request_id)
    _check_left(grant.order_id, calculation, but=grant.pk)
    return calculation, chosen


def _check_left(order_id: int, calculation: Calculation, *, but: int | None = None) -> None:
    left = left_to_grant(order_id, but=but)
    if yuan(calculation.cash) > left:
        detail = _("Only %(left)s yuan that were paid for this order are left to give back.")
        raise OmsError(detail % {"left": left}, attr="amount")


def left_to_grant(order_id: int, *, but: int | None = None) -> Decimal:
    """Of what was paid for the order, what is neither back, nor on its way, nor granted, nor proposed, in yuan (R13);
    `but` is a proposed grant (id) that counts for nothing. The order must be locked."""
    waiting = RefundGrant.objects.filter(order=order_id, state=GrantState.PROPOSED).exclude(pk=but or 0)
    proposed = waiting.aggregate(cash=Coalesce(Sum("cash_amount"), Decimal(0)))["cash"]
    return min(charging.owed(order_id), owed.held(order_id)) - proposed


def _of_amount(wanted: Wanted) -> Calculation:
    amount = wanted.amount
    if amount <= 0 or amount != round(amount, 2):
        raise OmsError(_("Give a positive amount with at most two places."), attr="amount")
    fen = to_fen(amount)
    return Calculation(fen, fen, 0, 0, 0, 0, 0, 0, 0)


def _choose(order_id: int, wanted: Wanted, states: Collection[str]) -> Chosen:
    units, gifts = dict(wanted.units or {}), dict(wanted.gifts_kept or {})
    if not units:
        raise OmsError(_("Name at least one line."), attr="lines")
    if any(count < 1 for count in (*units.values(), *gifts.values())):
        raise OmsError(_("Give a quantity of at least 1."), attr="lines")
    taken = _taken(order_id)
    parts = [part for part in correcting.parts(order_id) if part.state in states]
    lines = {line.position: line for line in OrderLine.objects.filter(order=order_id)}
    chosen: dict[int, int] = {}
    missing: dict[int, int] = {}
    for found, named, attr in ((chosen, units, "lines"), (missing, gifts, "gifts_kept")):
        for position, count in named.items():
            if position not in lines:
                raise OmsError(_("The order has no line %(position)d.") % {"position": position}, attr=attr)
            if found is missing and not lines[position].is_gift:
                raise OmsError(_("Line %(position)d is no gift.") % {"position": position}, attr=attr)
            wanted_units = count
            for part in parts:
                if part.position == position and count:
                    free = part.units - taken.get(part.id, 0) - chosen.get(part.id, 0)
                    if free > 0:
                        found[part.id] = min(count, free)
                        count -= found[part.id]
            if count:
                message = _("Only %(left)d units of line %(position)d can still come back.")
                raise OmsError(message % {"left": wanted_units - count, "position": position}, attr=attr)
    if chosen.keys() & missing.keys():
        raise OmsError(_("Name each unit of a gift once: it came back, or it did not."), attr="gifts_kept")
    kept = {lines[position].pk: count for position, count in gifts.items()}
    return Chosen(chosen, missing, kept)


def _choose_parts(order_id: int, wanted: Wanted, states: Collection[str]) -> Chosen:
    """The units as a return has them: neither other returns nor grants that wait have them, too."""
    units, missing = dict(wanted.parts or {}), dict(wanted.parts_missing or {})
    if not units:
        raise OmsError(_("Name at least one line."), attr="lines")
    taken = _taken(order_id, but=wanted.return_id)
    parts = {part.id: part for part in correcting.parts(order_id) if part.state in states}
    for key, count in units.items():
        left = parts[key].units - taken.get(key, 0) if key in parts else 0
        if count > left:
            position = parts[key].position if key in parts else 0
            message = _("Only %(left)d units of line %(position)d can still come back.")
            raise OmsError(message % {"left": max(left, 0), "position": position}, attr="lines")
    gifts: dict[int, int] = {}
    for key, count in missing.items():
        gifts[parts[key].order_line_id] = gifts.get(parts[key].order_line_id, 0) + count
    return Chosen(units, missing, gifts)


def _with_followed(order_id: int, chosen: Chosen, kept: Mapping[int, int]) -> Chosen:
    """With gifts that followed as orders of their own, and that the buyer keeps though the goods came back."""
    if not kept:
        return chosen
    found = {gift.part: gift for gift in followed_gifts.of_order(order_id)}
    missing, lines = dict(chosen.missing), dict(chosen.gifts_kept)
    for part, count in kept.items():
        most = found[part].units if part in found else 0
        if not 0 < count <= most:
            text = _("Of this gift that followed, the buyer has only %(most)d units.")
            raise OmsError(text % {"most": most}, attr="gifts_kept")
        missing[part] = count
        lines[found[part].line] = lines.get(found[part].line, 0) + count
    return Chosen(chosen.units, missing, lines)


def followed_label(gift: FollowedGift) -> str:
    """How a gift that followed is asked for where the goods come back."""
    return _("Gift that followed by order %(order)s and did not come back: %(name)s (at most %(quantity)d)") % {
        "order": gift.order,
        "name": gift.name,
        "quantity": gift.units,
    }


def _taken(order_id: int, *, but: int | None = None) -> dict[int, int]:
    """Units by sub-order line that grants which wait are for, and that open returns hold, but for the return `but`."""
    waiting = RefundGrantLine.objects.filter(
        grant__order=order_id, grant__state=GrantState.PROPOSED, grant__return_request=None
    )
    taken = counting.held_by_others(order_id, but=but)
    for key, count in waiting.values_list("sub_order_line_id", "quantity"):
        taken[key] = taken.get(key, 0) + count
    return taken


def _of_return(order_id: int, chosen: Chosen, reason: GrantReason, return_id: int | None = None) -> Calculation:
    parts = {part.id: part for part in correcting.parts(order_id)}
    gone = {key: parts[key].shares.take(count, parts[key].units) for key, count in chosen.units.items()}
    undone = transaction.savepoint()
    try:
        if return_id is not None:
            counting.let_go(return_id, chosen.units)
        taken = setting_off.take_back(
            order_id,
            chosen.units,
            return_id=return_id,
            freight=freight_of(reason),
            gifts_kept=chosen.gifts_kept,
            reference="preview",
            actor=Actor(ActorKind.JOB, "preview"),
        )
    finally:
        transaction.savepoint_rollback(undone)
    kept, back = taken.kept, taken.goes_back
    names = {line.pk: line.name for line in OrderLine.objects.filter(order=order_id)}
    by_line: dict[int, tuple[int, Shares]] = {}
    for key, shares in gone.items():
        units, known = by_line.get(parts[key].order_line_id, (0, None))
        total = Shares(*map(sum, zip(known, shares, strict=True))) if known else shares
        by_line[parts[key].order_line_id] = (units + chosen.units[key], total)
    positions = {part.order_line_id: part.position for part in parts.values()}
    of_names = dict(OrderPromotion.objects.filter(order=order_id).values_list("code", "name"))
    return Calculation(
        amount=back.total,
        cash=back.cash,
        gift_card=back.gift_card,
        points=back.points,
        share_paid=sum(shares.payable + shares.gift_card + shares.points for shares in gone.values()),
        kept_cost=kept.cost,
        gifts_charged=kept.charges,
        freight_kept=taken.freight_kept,
        not_collected=kept.not_collected,
        lines=tuple(
            ReturnedLine(
                positions[line],
                names[line],
                units,
                *(shares.goods, shares.freight, shares.promotion, shares.coupon, shares.adjustment, shares.points),
                *(shares.gift_card, shares.payable),
            )
            for line, (units, shares) in sorted(by_line.items(), key=lambda item: positions[item[0]])
        ),
        promotions=tuple(
            PromotionShown(promotion.code, of_names.get(promotion.code, ""), promotion.share, promotion.now)
            for promotion in kept.promotions
        ),
        exchanged=taken.used.total,
    )


def freight_of(reason: GrantReason) -> FreightBack:
    """Whether the freight of units that come back for this reason goes back with them."""
    return FreightBack.SHARE if reason.gives_freight_back else FreightBack.NOTHING
