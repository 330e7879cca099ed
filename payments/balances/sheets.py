"""Gift cards from rows of text, one for each kind of card, with an outcome for every row."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal, InvalidOperation

from django.utils.dateparse import parse_date
from django.utils.translation import gettext as _

from oms.common.zones import CHINA
from oms.merchants.models import Merchant
from orders.actors import Actor
from payments.balances import issuing
from payments.balances.issuing import MOST_CARDS, Issued, NewCard


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a row (from 1): a card that was issued, with its code, or what is wrong."""

    row: int
    issued: Issued | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class _Wanted:
    row: int
    card: NewCard


def issue(merchant: Merchant, text: str, *, is_sold: bool, batch: str, actor: Actor) -> list[Outcome]:
    """Issue the cards of these rows: amount, and, where wanted, number of cards, last day, reference. Right rows are
    issued, whatever is wrong with others. Raises OmsError as `issuing.issue_cards` does."""
    wanted: list[_Wanted] = []
    outcomes: list[Outcome] = []
    for row, cells in enumerate(csv.reader(text.strip().splitlines(), skipinitialspace=True), 1):
        if not any(cells):
            continue
        try:
            wanted += [_Wanted(row, card) for card in _cards(cells)]
        except ValueError as error:
            outcomes.append(Outcome(row, None, str(error)))
    if wanted:
        issued = issuing.issue_cards(merchant, [one.card for one in wanted], is_sold=is_sold, key=batch, actor=actor)
        for one, became in zip(wanted, issued, strict=True):
            if isinstance(became, Issued):
                outcomes.append(Outcome(one.row, became))
            else:
                outcomes.append(Outcome(one.row, None, became.detail))
    return sorted(outcomes, key=lambda outcome: outcome.row)


def _cards(cells: list[str]) -> Iterator[NewCard]:
    """The cards of a row. Raises ValueError, with what is wrong."""
    amount_text, count_text, day_text, reference = (*map(str.strip, cells), "", "", "", "")[:4]
    try:
        amount = Decimal(amount_text)
    except InvalidOperation as error:
        raise ValueError(_("This is no amount.")) from error
    if not amount.is_finite():
        raise ValueError(_("This is no amount."))
    is_number = count_text.isascii() and count_text.isdigit() and len(count_text) < 6
    count = int(count_text) if is_number else 0 if count_text else 1
    if not 1 <= count <= MOST_CARDS:
        raise ValueError(_("Give a number of cards from 1 to %(most)d.") % {"most": MOST_CARDS})
    return iter([NewCard(amount, _until(day_text), reference)] * count)


def _until(text: str) -> datetime | None:
    """The end of the day, in China."""
    if not text:
        return None
    day = parse_date(text)
    if day is None:
        raise ValueError(_("Give the last day as 2028-12-31."))
    return datetime.combine(day, time(), CHINA) + timedelta(days=1)
