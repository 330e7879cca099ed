"""An order's amounts do not depend on the order in which its lines stand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from oms.common.money import fen_text
from oms.merchants.models import Merchant
from orders.intake.apportionment import Policy
from orders.intake.bodies import OrderBody, decode
from orders.intake.checking import check
from orders.intake.locating import Located
from orders.intake.reference import CodTerms, KnownRegion, KnownSku, Reference
from orders.intake.sharing import SharedOrder, share_out

REGION = KnownRegion("北京市", "北京市", "东城区")
# The second may not become cheaper than 0.60, the third not at all.
FLOORS = {"A": 0, "B": 60, "C": 100}


@dataclass(frozen=True)
class Line:
    """A line: fen, and the promotions that cover it, by place."""

    sku: str
    price: int
    quantity: int = 1
    name: str = ""
    covered_by: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Amounts:
    """What is shared (fen): promotions as (amount, the platform's part of it)."""

    promotions: tuple[tuple[int, int], ...] = ()
    freight: int = 0
    coupon: int = 0
    adjustment: int = 0
    points: int = 0
    gift_card: int = 0
    bearer: str = "merchant"


@st.composite
def promotions(draw: st.DrawFn) -> tuple[int, int]:
    """A promotion with the platform's part."""
    amount = draw(st.integers(0, 120))
    return amount, draw(st.integers(0, amount))


# Few different values, so that there are many ties.
lines = st.builds(
    Line,
    st.sampled_from(sorted(FLOORS)),
    st.sampled_from([0, 100, 150]),
    st.integers(1, 2),
    st.sampled_from(["", "x"]),
    st.frozensets(st.integers(0, 2)),
)
some_amounts = st.builds(
    Amounts,
    st.lists(promotions(), max_size=3).map(tuple),
    st.integers(0, 210),
    st.integers(0, 60),
    st.integers(-60, 130),
    st.integers(0, 60),
    st.integers(0, 60),
    st.sampled_from(["merchant", "platform"]),
)


def body_of(lines: Sequence[Line], amounts: Amounts) -> OrderBody:
    """The order as a channel sends it."""
    due = sum(line.price * line.quantity for line in lines) + amounts.freight + amounts.adjustment
    due -= amounts.coupon + amounts.points + amounts.gift_card + sum(amount for amount, _part in amounts.promotions)
    body: dict[str, Any] = {
        "external_number": "X-1",
        "ordered_at": "2026-01-02T09:00:00+08:00",
        "buyer": {"id": "B1", "name": "张华", "phone": "13800001111"},
        "recipient": {"name": "张华", "phone": "13800001111", "region_code": "110101", "address": "中山路861号"},
        "lines": [
            {"sku": line.sku, "quantity": line.quantity, "unit_price": fen_text(line.price), "name": line.name}
            for line in lines
        ],
        "payable_amount": fen_text(due),
        "freight_amount": fen_text(amounts.freight),
        "coupon_amount": fen_text(amounts.coupon),
        "points": {"used": amounts.points, "amount": fen_text(amounts.points)},
        "gift_card_amount": fen_text(amounts.gift_card),
        "adjustment_amount": fen_text(amounts.adjustment),
        "adjustment_reason": "改价",
        "adjustment_bearer": amounts.bearer,
        "promotions": [
            {
                "id": f"P{i}",
                "amount": fen_text(amount),
                "platform_amount": fen_text(part),
                "lines": [place for place, line in enumerate(lines, 1) if i in line.covered_by],
            }
            for i, (amount, part) in enumerate(amounts.promotions)
        ],
    }
    decoded = decode(msgspec.json.encode(body))
    assert isinstance(decoded, OrderBody), decoded
    return decoded


def shares_of(lines: Sequence[Line], amounts: Amounts) -> object:
    """How often which line gets what of everything, or why the order is refused."""
    merchant = Merchant(code="M1", kind=Merchant.Kind.SELF_OPERATED)
    skus = {
        ("M1", code): KnownSku(place, code, "M1", code, False, CodTerms.YES, floor)
        for place, (code, floor) in enumerate(FLOORS.items(), 1)
    }
    checked = check(
        Located(body_of(lines, amounts)), Reference(merchant, skus=skus, regions={"110101": REGION}), channel_id=1
    )
    shared = checked if isinstance(checked, Sequence) else share_out(checked)
    if not isinstance(shared, SharedOrder):
        return [(error.attr, error.code) for error in shared]
    by_line: list[list[tuple[int, int, int]]] = [[] for _line in lines]
    for part in shared.sharing.promotions:
        by_line[part.line].append((part.promotion, part.amount, part.platform_amount))
    return Counter(
        (line, shares, tuple(sorted(parts)))
        for line, shares, parts in zip(lines, shared.sharing.lines, by_line, strict=True)
    )


@settings(max_examples=400)
@given(st.sampled_from(list(Policy)), st.data(), st.lists(lines, min_size=2, max_size=6), some_amounts)
def test_the_order_of_lines_changes_no_share(
    policy: Policy, data: st.DataObject, lines: list[Line], amounts: Amounts
) -> None:
    known = frozenset(range(len(amounts.promotions)))
    lines = [replace(line, covered_by=line.covered_by & known) for line in lines]
    shuffled = data.draw(st.permutations(lines))
    with override_settings(APPORTIONMENT_POLICY=policy):
        assert shares_of(lines, amounts) == shares_of(shuffled, amounts)
