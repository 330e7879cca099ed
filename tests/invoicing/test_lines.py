"""The arithmetic of invoices: tax per line, discounts, what is taken back, splitting, and who gets which fen."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms.common.tax import TaxClass, net_of
from orders.models.charge import SIGNS, ChargeComponent
from payments.invoicing.lines import Goods, Left, Limits, Line, cut, lines_of, split, take_back
from payments.invoicing.services.nuonuo import wire
from payments.invoicing.targets import Bucket, Charge, Part, Sold, targets
from payments.models import LineProperty

TAXED = TaxClass("1060408990000000000", "日用杂品", Decimal("0.13"))


@pytest.mark.parametrize(
    ("gross", "rate", "net"),
    [
        (10000, "0.13", 8850),
        (3333, "0.13", 2950),
        (5990, "0.09", 5495),
        (12850, "0.13", 11372),
        (1000, "0.03", 971),
        (5, "0.13", 4),
        (1, "0.13", 1),
        (100, "0", 100),
    ],
)
def test_net_and_tax_are_those_of_the_reference(gross: int, rate: str, net: int) -> None:
    assert net_of(gross, Decimal(rate)) == net
    assert net_of(-gross, Decimal(rate)) == -net


def test_the_signature_is_that_of_the_published_vector() -> None:
    signature = wire.sign(
        "SECRET0001",
        "AK0001",
        senid="0123456789abcdef0123456789abcdef",
        nonce="12345678",
        timestamp="1764036000",
        body='{"order":{"orderNo":"INV-1"}}',
    )
    assert signature == "g7DSLb8VNs897wKDYS5JCztEaHg="


def test_a_discount_stands_below_its_line_and_both_come_to_what_was_paid() -> None:
    goods, discount = lines_of(Goods("牙膏", TAXED, 8714, 10000, 1, 7))

    assert (goods.net, goods.tax_amount, goods.gross, goods.quantity) == (8850, 1150, 10000, 1)
    assert (discount.net, discount.tax_amount, discount.gross, discount.quantity) == (-1138, -148, -1286, None)
    assert (goods.role, discount.role, discount.of) == (LineProperty.DISCOUNTED, LineProperty.DISCOUNT, 0)
    assert goods.name == discount.name == "*日用杂品*牙膏"


def test_what_costs_nothing_has_no_line_and_a_dearer_one_no_discount() -> None:
    assert lines_of(Goods("x", TAXED, 0, 0)) == []
    (line,) = lines_of(Goods("x", TAXED, 110, 100))
    assert (line.gross, line.role) == (110, LineProperty.NORMAL)


@given(st.integers(1, 10**9), st.sampled_from(["0.13", "0.09", "0.06", "0.03", "0.01"]))
def test_tax_of_any_line_is_within_a_fen_of_its_rate(gross: int, rate: str) -> None:
    net = net_of(gross, Decimal(rate))
    assert abs(net * Decimal(rate) - (gross - net)) <= 1


@given(st.one_of(st.integers(1, 60), st.integers(1, 100_000)), st.lists(st.integers(1, 100), max_size=60))
def test_red_lines_never_exceed_the_blue_one_and_the_last_takes_exactly_what_is_left(
    gross: int, percents: list[int]
) -> None:
    blue = Left(1, "x", TAXED, net_of(gross, TAXED.rate), gross, 5, 7)
    net_left, gross_left = blue.net, blue.gross
    for percent in [*percents, 100]:
        if not gross_left:
            break
        red = take_back(Left(1, "x", TAXED, net_left, gross_left, 5, 7), max(gross_left * percent // 100, 1))
        net_left, gross_left = net_left + red.net, gross_left + red.gross
        assert 0 <= net_left <= blue.net
        assert 0 <= gross_left - net_left <= blue.gross - blue.net
    assert net_left == 0


def test_more_than_is_left_is_not_taken_back() -> None:
    with pytest.raises(ValueError, match="only 100 is left, not 101"):
        take_back(Left(1, "x", TAXED, 88, 100, None, None), 101)


def test_long_invoices_are_split_and_a_discount_stays_with_its_line() -> None:
    pair = lines_of(Goods("x", TAXED, 90, 100))
    one = lines_of(Goods("y", TAXED, 100, 100))

    parts = split([one, pair, pair, one], Limits(3))

    assert [len(part) for part in parts] == [3, 3]
    assert [[line.of for line in part] for part in parts] == [[None, None, 1], [None, 0, None]]


def test_an_invoice_stays_below_the_limit_of_its_amount() -> None:
    parts = split([lines_of(Goods("x", TAXED, 11300, 11300)) for _number in range(5)], Limits(2000, 20000))
    assert [sum(line.net for line in part) for part in parts] == [20000, 20000, 10000]


def test_units_that_are_too_dear_for_one_invoice_are_invoiced_in_several() -> None:
    # 7 units of 60.00, less 35.00 in all, at most 100.00 without tax each: two units an invoice, to the fen.
    parts = cut(Goods("x", TAXED, 38500, 42000, 7), 10000)
    assert [(part.units, part.paid, part.listed) for part in parts] == [(2, 11000, 12000)] * 3 + [(1, 5500, 6000)]
    assert [line.gross for line in lines_of(parts[0])] == [12000, -1000]


def test_a_unit_that_is_too_dear_alone_is_invoiced_in_parts_of_which_one_counts_as_the_unit() -> None:
    parts = cut(Goods("x", TAXED, 30000, 36000, 2), 10000)
    assert [(part.units, part.paid) for part in parts] == [(1, 11300), (None, 3700), (1, 11300), (None, 3700)]
    assert sum(part.listed for part in parts) == 36000


@given(
    st.integers(1, 50_000),
    st.integers(0, 9_000),
    st.one_of(st.none(), st.integers(1, 9)),
    st.integers(50, 20_000),
    st.sampled_from(["0.13", "0.06", "0"]),
)
def test_no_invoice_is_above_the_limit_and_all_of_them_come_to_what_was_paid(
    paid: int, off: int, units: int | None, limit: int, rate: str
) -> None:
    tax = TaxClass("1" * 19, "x", Decimal(rate))
    parts = cut(Goods("x", tax, paid, paid + off, units), limit)
    invoices = split([lines for part in parts if (lines := lines_of(part))], Limits(2000, limit))

    assert sum(line.gross for invoice in invoices for line in invoice) == paid
    assert all(sum(line.net for line in invoice) <= limit for invoice in invoices)
    assert sum(line.quantity or 0 for invoice in invoices for line in invoice) == (units or 0)
    assert all(part.paid > 0 for part in parts)


def part(line: int, sub_order: int = 1, issuer: int = 1, units: int = 1, **shares: int) -> Part:
    """A part of a line; its shares by component."""
    return Part(line, sub_order, issuer, units, {ChargeComponent(name): fen for name, fen in shares.items()})


def test_each_line_is_invoiced_at_what_was_paid_for_it_and_freight_by_itself() -> None:
    found = targets(
        Sold(
            [
                part(1, goods=10000, promotion=1000, points=286, freight=400),
                part(2, goods=5000, coupon=500, gift_card=1000, freight=200),
            ]
        )
    )
    assert {key.line: (target.paid, target.listed) for key, target in found.items()} == {
        1: (8714, 10000),
        2: (3500, 5000),
        None: (600, 600),
    }


def test_what_a_gift_card_paid_is_invoiced_only_by_who_says_so_and_pays_the_goods_first() -> None:
    sold = [part(1, goods=1000, gift_card=1300, freight=600)]
    at_sale, at_use = targets(Sold(sold)), targets(Sold(sold, (), {1: True}))

    assert {key.line: target.paid for key, target in at_sale.items()} == {1: 0, None: 300}
    assert {key.line: target.paid for key, target in at_use.items()} == {1: 1000, None: 600}


def test_parts_from_two_warehouses_are_invoiced_by_whoever_sells_there() -> None:
    found = targets(Sold([part(1, 1, 1, 2, goods=2000), part(1, 2, 9, 1, goods=1000)]))
    assert found[Bucket(1, 1)].paid == 2000
    assert (found[Bucket(9, 1)].paid, found[Bucket(9, 1)].units) == (1000, 1)


def test_goodwill_of_an_order_is_taken_off_its_lines_by_what_they_cost() -> None:
    parts = [part(1, goods=6000), part(2, goods=3000)]
    found = targets(Sold(parts, [Charge(ChargeComponent.EXTRA, -100)]))
    assert {key.line: (target.paid, target.listed) for key, target in found.items()} == {
        1: (5933, 6000),
        2: (2967, 3000),
    }


def test_of_equal_remainders_the_dearer_line_gets_the_fen_as_in_every_other_sharing() -> None:
    # 0.02 on 1.00 and 3.00 is half a fen and one and a half.
    found = targets(Sold([part(1, goods=100), part(2, goods=300)], [Charge(ChargeComponent.EXTRA, -2)]))
    assert {key.line: target.paid for key, target in found.items()} == {1: 100, 2: 298}


amounts = st.integers(0, 5000)


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 2), amounts, amounts, amounts), min_size=1),
    st.lists(st.tuples(st.sampled_from(list(SIGNS)), st.integers(-3000, 3000), st.sampled_from([None, 1, 2, 3]))),
)
def test_whatever_was_charged_the_sum_is_what_is_owed_and_nothing_is_below_zero(rows, charged) -> None:  # type: ignore[no-untyped-def]
    parts = [part(line, number, issuer, 1, goods=goods + off, promotion=off, freight=freight)
             for number, (line, _sub, issuer, goods, off, freight) in enumerate(rows, 1)]  # fmt: skip
    charges = [Charge(component, fen, line) for component, fen, line in charged]
    owed = sum(row[3] + row[5] for row in rows) + sum(charge.fen for charge in charges)
    found = targets(Sold(parts, charges, {1: True, 2: True}))
    gift_cards = sum(charge.fen for charge in charges if charge.component == ChargeComponent.GIFT_CARD)

    assert all(target.paid >= 0 for target in found.values())
    assert sum(target.paid for target in found.values()) == max(owed - gift_cards, 0)


def test_a_line_of_a_red_invoice_names_the_units_that_came_back() -> None:
    red = take_back(Left(4, "x", TAXED, 8850, 10000, 4, 7), 5000, 2)
    assert red == Line("x", TAXED, -4425, -5000, quantity=-2, order_line=7, of=4)
