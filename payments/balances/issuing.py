"""Issuing gift cards, opening the points of members, putting more on a card, blocking one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.copying import next_ids
from oms.common.errors import FieldError, OmsError
from oms.common.money import NotAnAmount, to_fen
from oms.merchants.models import Merchant
from orders.actors import Actor
from payments.balances import codes, moving
from payments.balances.moving import Move
from payments.models import BalanceAccount, BalanceKind, MovementKind
from payments.models.balance import CARDS_BEGIN_WITH

MOST_CARDS = 1000
LONGEST_VALIDITY = timedelta(days=50 * 365)
# The largest amount of a card, in yuan: the law's limit for one that names nobody is 1,000, for one that does 5,000.
MOST_OF_A_CARD = Decimal(5000)


@dataclass(frozen=True, slots=True)
class NewCard:
    """A card to issue: its amount in yuan, until when it is valid (None: as usual), and for whom or what it is."""

    amount: Decimal
    expires_at: datetime | None = None
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Issued:
    """A card that was issued, with its code, which nobody can read again."""

    card: BalanceAccount
    code: str


@transaction.atomic
def issue_cards(
    merchant: Merchant, cards: Sequence[NewCard], *, is_sold: bool, key: str, actor: Actor
) -> list[Issued | FieldError]:
    """Issue the cards of a merchant that is the operator's own, sold or given away; one outcome for each, in order.
    What is wrong with one does not stop the others. `key` names the batch: the same one is issued once.

    Raises OmsError for a marketplace merchant, too many cards, and a batch that was issued before.
    """
    check_issuer(merchant)
    if not 0 < len(cards) <= MOST_CARDS:
        raise OmsError(_("Issue 1 to %(most)d gift cards at a time.") % {"most": MOST_CARDS}, attr="cards")
    if BalanceAccount.objects.filter(merchant=merchant, movements__key__startswith=_facts(merchant, key)).exists():
        raise OmsError(_("These gift cards were issued already."), attr="key")
    now = timezone.now()
    outcomes: list[Issued | FieldError] = []
    ids = next_ids("payments_balanceaccount", len(cards))
    kind = MovementKind.SOLD if is_sold else MovementKind.GIVEN
    moves = []
    for place, (account_id, new) in enumerate(zip(ids, cards, strict=True)):
        wrong = _wrong_with(new, place, now)
        if wrong:
            outcomes.append(wrong)
            continue
        code = codes.new_code()
        card = BalanceAccount(
            pk=account_id,
            merchant=merchant,
            kind=BalanceKind.GIFT_CARD,
            number=f"{CARDS_BEGIN_WITH}{account_id:010d}",
            code_digest=codes.digest(code),
            code_end=code[-4:],
            expires_at=new.expires_at or now + timedelta(days=settings.GIFT_CARD_DAYS),
            reference=new.reference.strip(),
            created_by=actor.name,
        )
        moves.append(Move(card, kind, to_fen(new.amount), f"{_facts(merchant, key)}{place}"))
        outcomes.append(Issued(card, code))
    BalanceAccount.objects.bulk_create([one.card for one in outcomes if isinstance(one, Issued)])
    moving.move(moves, actor=actor)
    return outcomes


def check_issuer(merchant: Merchant) -> None:
    """Raises OmsError for a merchant whose cards and points would be its own debt, not the operator's."""
    if merchant.kind != Merchant.Kind.SELF_OPERATED:
        raise OmsError(_("Gift cards and points are the self-operated merchant's only."))


def _facts(merchant: Merchant, key: str) -> str:
    return f"issued:{merchant.pk}:{key[:40].replace(':', '-')}:"


def _wrong_with(new: NewCard, place: int, now: datetime) -> FieldError | None:
    try:
        fen = to_fen(new.amount)
    except NotAnAmount:
        fen = 0
    if not 0 < fen <= to_fen(MOST_OF_A_CARD):
        detail = _("Give an amount of 0.01 to %(most)s yuan.") % {"most": MOST_OF_A_CARD}
        return FieldError(f"cards.{place}.amount", "invalid_amount", detail)
    if new.expires_at is not None and not now < new.expires_at < now + LONGEST_VALIDITY:
        detail = _("This time is over already, or more than 50 years away.")
        return FieldError(f"cards.{place}.expires_at", "out_of_range", detail)
    if len(new.reference.strip()) > 80:
        detail = _("At most %(longest)d characters.") % {"longest": 80}
        return FieldError(f"cards.{place}.reference", "too_long", detail)
    return None


@transaction.atomic
def top_up(account_id: int, amount: Decimal, *, is_sold: bool, key: str, actor: Actor) -> BalanceAccount:
    """Put more (yuan) on a gift card; `key` names the fact, and the same one counts once.

    Raises OmsError for points, a blocked or expired card, no positive amount, and one that would hold too much.
    """
    card = BalanceAccount.objects.locked().select_related("merchant").get(pk=account_id)
    if card.kind != BalanceKind.GIFT_CARD:
        raise OmsError(_("Only gift cards are topped up."))
    if card.is_blocked or card.is_over:
        raise OmsError(_("This gift card is blocked or has expired."))
    try:
        fen = to_fen(amount)
    except NotAnAmount:
        fen = 0
    if fen <= 0 or card.available + card.held + fen > to_fen(MOST_OF_A_CARD):
        detail = _("Give a positive amount; a gift card holds at most %(most)s yuan.") % {"most": MOST_OF_A_CARD}
        raise OmsError(detail, attr="amount")
    fact = f"topped:{card.pk}:{key[:40]}"
    if card.movements.filter(key=fact).exists():
        raise OmsError(_("This was done already."), attr="key")
    kind = MovementKind.SOLD if is_sold else MovementKind.GIVEN
    moving.move([Move(card, kind, fen, fact)], actor=actor)
    return BalanceAccount.objects.get(pk=card.pk)


@transaction.atomic
def block(account_id: int, *, is_blocked: bool) -> BalanceAccount:
    """Let nothing be spent of a gift card that was lost, or let it be spent again. What orders hold stays theirs."""
    card = BalanceAccount.objects.locked().get(pk=account_id, kind=BalanceKind.GIFT_CARD)
    card.is_blocked = is_blocked
    card.save(update_fields=["is_blocked"])
    return card


def open_points(merchant: Merchant, members: Sequence[str], *, actor: Actor) -> dict[str, BalanceAccount]:
    """The points accounts of the members, opened where they had none; by member. Needs an open transaction."""
    check_issuer(merchant)
    wanted = sorted(set(members))
    known = BalanceAccount.objects.filter(merchant=merchant, member__in=wanted)
    missing = sorted(set(wanted) - set(known.values_list("member", flat=True)))
    BalanceAccount.objects.bulk_create(
        [
            BalanceAccount(
                pk=account_id,
                merchant=merchant,
                kind=BalanceKind.POINTS,
                number=f"PT{account_id:010d}",
                member=member,
                created_by=actor.name,
            )
            for account_id, member in zip(
                next_ids("payments_balanceaccount", len(missing)) if missing else (), missing, strict=True
            )
        ],
        ignore_conflicts=True,
    )
    return {account.member: account for account in known.all()}
