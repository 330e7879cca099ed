"""What new orders ask for of gift cards and points: checked under the accounts' locks, and held with the order.

Two orders at once can never have the same fen: the second waits for the first's lock, and sees what is left then.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from django.conf import settings
from django.db.models import Q
from django.utils.translation import gettext as _

from oms.common.errors import FieldError
from oms.common.money import fen_text, to_fen
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.intake import tenders
from orders.intake.bodies import OrderBody
from orders.intake.checking import CheckedOrder
from orders.intake.refusals import Refusals
from orders.intake.storing import StoredOrder
from orders.telling import timeline
from payments import kinds
from payments.balances import codes, following, issuing, moving
from payments.balances.moving import Move
from payments.models import BalanceAccount, MovementKind, OrderTender
from payments.taking import instalments

MOST_CARDS_OF_AN_ORDER = 10
_LONGEST_MEMBER = 64
_LONGEST_CODE = 40


class Keeper:
    """Keeps gift cards, points and instalments of orders; see `orders.intake.tenders.Purse`."""

    def check(self, orders: Sequence[CheckedOrder], merchant: Merchant) -> Mapping[int, Sequence[FieldError]]:
        """See Purse. Orders take what is left of a balance in their order."""
        accounts = _accounts([order.body for order in orders], merchant)
        left = {account.pk: account.available for account in accounts.values()}
        found: dict[int, Sequence[FieldError]] = {}
        for place, order in enumerate(orders):
            wrong = Refusals()
            wanted = _check_cards(order, accounts, left, wrong)
            wanted += _check_points(order, accounts, left, merchant, wrong)
            instalments.check(order, wrong)
            if wrong:
                found[place] = wrong
            else:
                for account_id, fen in wanted:
                    left[account_id] -= fen
        return found

    def take(self, orders: Sequence[StoredOrder], merchant: Merchant, actor: Actor) -> None:
        """See Purse. What was asked for is held, and spent at once where nothing else is to be paid before."""
        bodies = [order.checked.body for order in orders]
        members = [body.points.member for body in bodies if body.points.member]
        if members:
            issuing.open_points(merchant, members, actor=actor)
        accounts = _accounts(bodies, merchant)
        rows = [row for order in orders for row in _tenders(order, accounts)]
        OrderTender.objects.bulk_create(rows)
        held = [row for row in rows if row.fen]
        moving.move(
            [
                Move(row.account, MovementKind.HELD, row.fen, f"held:{row.order_id}:{row.account_id}", row.order_id)
                for row in held
            ],
            actor=actor,
        )
        timeline.record_all(
            timeline.Entry(row.order_id, kinds.TENDER_HELD, actor, following.told(row.account, row.fen)) for row in held
        )
        instalments.store(orders)
        following.follow({row.order_id for row in rows})


def _accounts(bodies: Sequence[OrderBody], merchant: Merchant) -> dict[str, BalanceAccount]:
    """The merchant's accounts that the orders name, locked, by the digest of the code or by `_of_member`."""
    digests = {codes.digest(card.code[:_LONGEST_CODE]) for body in bodies for card in body.gift_cards}
    # What is not printable is refused, and nothing that the database could be asked for.
    members = {body.points.member for body in bodies if body.points.member.isprintable()}
    named = Q(code_digest__in=digests) | (Q(member__in=members) & ~Q(member=""))
    found = BalanceAccount.objects.visible_to(merchant).filter(named).locked()
    return {account.code_digest or _of_member(account.member): account for account in found}


def _of_member(member: str) -> str:
    """No member's points are found by the digest of a code."""
    return f"member {member}"


def _check_cards(
    order: CheckedOrder, accounts: Mapping[str, BalanceAccount], left: Mapping[int, int], wrong: Refusals
) -> list[tuple[int, int]]:
    """What the order takes of which card."""
    cards, wanted = order.body.gift_cards, []
    if not cards:
        return []
    if len(cards) > MOST_CARDS_OF_AN_ORDER:
        detail = _("An order takes at most %(most)d gift cards.") % {"most": MOST_CARDS_OF_AN_ORDER}
        wrong.add("gift_cards", "too_many", detail)
        return []
    total = 0
    seen: set[str] = set()
    for place, card in enumerate(cards):
        attr = f"gift_cards.{place}"
        fen = wrong.amount(f"{attr}.amount", card.amount)
        total += fen
        digest = codes.digest(card.code)
        account = accounts.get(digest) if len(card.code) <= _LONGEST_CODE else None
        if digest in seen:
            wrong.add(f"{attr}.code", "repeated", _("Name each gift card once."))
        elif account is None:
            wrong.add(f"{attr}.code", "unknown_gift_card", _("There is no such gift card."))
        elif account.is_blocked:
            wrong.add(f"{attr}.code", "gift_card_blocked", _("This gift card is blocked."))
        elif account.is_over:
            wrong.add(f"{attr}.code", "gift_card_expired", _("This gift card has expired."))
        elif not fen:
            wrong.add(f"{attr}.amount", "invalid_amount", _("Give an amount of more than 0."))
        elif fen > left[account.pk]:
            detail = _("Only %(left)s yuan are left on this gift card.") % {"left": fen_text(left[account.pk])}
            wrong.add(f"{attr}.amount", "gift_card_too_small", detail)
        else:
            wanted.append((account.pk, fen))
        seen.add(digest)
    if total != order.gift_card_amount:
        detail = _("The gift cards add up to %(sum)s, not to %(given)s.")
        values = {"sum": fen_text(total), "given": fen_text(order.gift_card_amount)}
        wrong.add("gift_card_amount", "does_not_add_up", detail % values)
    return wanted


def _check_points(
    order: CheckedOrder,
    accounts: Mapping[str, BalanceAccount],
    left: Mapping[int, int],
    merchant: Merchant,
    wrong: Refusals,
) -> list[tuple[int, int]]:
    """What the order takes of its member's points."""
    points = order.body.points
    if not points.member:
        return []
    wrong.text("points.member", points.member, _LONGEST_MEMBER)
    if merchant.kind != Merchant.Kind.SELF_OPERATED:
        wrong.add(
            "points.member", "no_points_here", _("Points are kept for the self-operated merchant's channels only.")
        )
        return []
    if points.used != order.points_amount:
        detail = _("100 points are worth one yuan: %(used)d points are %(amount)s yuan.")
        values = {"used": points.used, "amount": fen_text(points.used)}
        wrong.add("points.amount", "points_mismatch", detail % values)
        return []
    account = accounts.get(_of_member(points.member))
    has = left[account.pk] if account and not account.is_over else 0
    if points.used > has:
        detail = _("Only %(left)d points are left.") % {"left": has}
        wrong.add("points.used", "too_few_points", detail)
        return []
    return [(account.pk, points.used)] if account and points.used else []


def _tenders(order: StoredOrder, accounts: Mapping[str, BalanceAccount]) -> list[OrderTender]:
    body = order.checked.body
    rows: dict[int, int] = defaultdict(int)
    by_id = {account.pk: account for account in accounts.values()}
    for card in body.gift_cards:
        rows[accounts[codes.digest(card.code)].pk] += to_fen(card.amount)
    if body.points.member:
        rows[accounts[_of_member(body.points.member)].pk] += body.points.used
    return [
        OrderTender(
            order_id=order.id,
            account=by_id[key],
            fen=fen,
            earns_per_yuan=settings.POINTS_EARNED_PER_YUAN if by_id[key].member else 0,
        )
        for key, fen in rows.items()
    ]


tenders.register(Keeper())
