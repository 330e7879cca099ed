"""What goes back for goods that come back: the rules R1 to R11, worked examples to the fen, and what always holds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.changing.keeping import FreightBack, Tenders
from orders.intake.promotion_rules import Rule, understand
from orders.models.amounts import ApportionmentPolicy
from tests.payments.refund_cases import ReturnPolicy, Terms, build, fen, rule, send_back

CASES = json.loads((Path(__file__).parent / "cases" / "refund-cases.json").read_text())
OFF_30 = rule(kind="amount_off", **{"from": "200.00"}, off="30.00")
THREE_FOR_80 = rule(kind="discount", quantity=3, rate="0.8")
SECOND_HALF = rule(kind="nth_unit", rate="0.5")


def tiers(*steps: tuple[str, str]) -> dict[str, Any]:
    return {"kind": "amount_off", "tiers": [{"from": least, "off": off} for least, off in steps]}


TERMS = {
    "1": Terms([("30", OFF_30, "")]),
    "2": Terms([("30", OFF_30, "")]),
    "3": Terms([("30", OFF_30, "")]),
    "4": Terms([("60", tiers(("200", "30"), ("300", "60")), "")]),
    "5": Terms([("100", tiers(("199", "100")), "")]),
    "6": Terms([("20", THREE_FOR_80, "")]),
    "7": Terms([("20", THREE_FOR_80, "")]),
    "8": Terms([("9.95", SECOND_HALF, "")]),
    "9": Terms([("4.99", SECOND_HALF, "")]),
    "10": Terms([("21", rule(kind="bundle", quantity=3, price="99.00"), "")]),
    "11": Terms(coupon="20"),
    "12": Terms(coupon="20", coupon_from="150"),
    "13": Terms(points="10", gift_card="50"),
    "14": Terms([("50", tiers(("200", "50")), "")], points="6", gift_card="80"),
    "15": Terms(freight="6", gift_card="56"),
    "16": Terms(freight="6"),
    "17": Terms([("0", {"kind": "free_shipping", "from": "99.00", "freight": "6.00"}, "")]),
    "18": Terms(coupon="10"),
    "19": Terms(gifts={"G": "29.90"}),
    "20": Terms([("30", tiers(("199", "30")), "AB"), ("8", rule(kind="discount", rate="0.9"), "C")], coupon="15"),
    "21": Terms(coupon="0.01"),
    "22": Terms(coupon="10"),
}


def told_policy(told: dict[str, Any] | None) -> ReturnPolicy:
    told = told or {}
    return ReturnPolicy(
        FreightBack.SHARE if told.get("freight") == "share" else FreightBack.NOTHING,
        rechecks_coupon=told.get("coupon") == "recheck",
        charges_lost_free_shipping=bool(told.get("free_lost")),
    )


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_the_worked_examples_of_the_reference_come_out_to_the_fen(case):
    terms = TERMS[case["name"].split()[0]]
    lines = {name: (units, price) for name, (units, price) in case["lines"].items()}
    lines |= dict.fromkeys(terms.gifts, (1, "0"))
    places = {name: place for place, name in enumerate(lines)}
    books = build(lines, terms, ApportionmentPolicy.FEN)

    assert books.held == Tenders(*(fen(case["paid"][name]) for name in ("cash", "gift", "points")))
    for name, place in places.items():
        if name not in terms.gifts:
            line, shares = books.lines[place], case["shares"]
            assert line.ordered.payable == fen(shares["cash"][name])
            assert [line.promotions.get(f"P{i}", 0) for i in range(len(shares["promotions"]))] == [
                fen(of_one[name]) for of_one in shares["promotions"]
            ]
    for step in case["steps"]:
        refund = send_back(
            books,
            {places[name]: units for name, units in step["returned"].items()},
            told_policy(step["policy"]),
            {places[name]: 1 for name in step["gifts_kept"]},
        )
        assert (
            refund.kept.cost,
            refund.share_paid,
            refund.back.total,
            refund.back.cash,
            refund.back.gift_card,
            refund.back.points,
            refund.kept.not_collected,
        ) == tuple(
            fen(step[name])
            for name in ("kept_cost", "share_paid", "refund", "cash", "gift_card", "points", "not_collected")
        )
        books = refund.books


# By the policy `whole_yuan`: lines, terms, and of each step what comes back (by line), which policy, and what goes back
# as cash, gift card and points, with what is not collected.
THREE = {"A": (1, "100.00"), "B": (1, "50.00"), "C": (1, "33.33")}
OWN = {
    # 20.00 is shared 11/5/4.
    "coupon": (THREE, Terms(coupon="20"), [("B", "45.00", "0", "0", "0"), ("C", "29.33", "0", "0", "0")]),
    "coupon rechecked": (
        THREE,
        Terms(coupon="20", coupon_from="150"),
        [("B", "30.00", "0", "0", "0"), ("A", "100.00", "0", "0", "0"), ("C", "33.33", "0", "0", "0")],
    ),
    # 15/9/6: the dear line's return loses 15 that B and C were given.
    "threshold lost": (
        {"A": (1, "100.00"), "B": (1, "60.00"), "C": (1, "40.00")},
        Terms([("30", OFF_30, "")]),
        [("A", "70.00", "0", "0", "0"), ("C", "40.00", "0", "0", "0"), ("B", "60.00", "0", "0", "0")],
    ),
    # 30.00 on 150/120/80 is 13/10/7.
    "threshold still met": (
        {"A": (1, "150.00"), "B": (1, "120.00"), "C": (1, "80.00")},
        Terms([("30", OFF_30, "")]),
        [("C", "73.00", "0", "0", "0"), ("B", "97.00", "0", "0", "0"), ("A", "150.00", "0", "0", "0")],
    ),
    # 60.00 on 150/100/80 is 27/18/15: 42 stay with A and C, of which the lower step leaves 30.
    "lower tier": (
        {"A": (1, "150.00"), "B": (1, "100.00"), "C": (1, "80.00")},
        Terms([("60", tiers(("200", "30"), ("300", "60")), "")]),
        [("B", "70.00", "0", "0", "0"), ("C", "50.00", "0", "0", "0"), ("A", "150.00", "0", "0", "0")],
    ),
    # 99.00 paid; A alone would cost 139.10 to keep the others: nothing goes back, 40.10 are forgiven.
    "never below zero": (
        {"A": (1, "59.90"), "B": (1, "59.90"), "C": (1, "79.20")},
        Terms([("100", tiers(("199", "100")), "")]),
        [("A", "0", "0", "0", "40.10"), ("B", "19.80", "0", "0", "0"), ("C", "79.20", "0", "0", "0")],
    ),
    # 满折: 20.00 on 33.33/33.33/33.34 is 7/6/7 by the whole yuan, the larger first, then A.
    "discount lost": (
        {"A": (1, "33.33"), "B": (1, "33.33"), "C": (1, "33.34")},
        Terms([("20", THREE_FOR_80, "")]),
        [("B", "13.33", "0", "0", "0"), ("A", "33.33", "0", "0", "0"), ("C", "33.34", "0", "0", "0")],
    ),
    # 18.60 on 10/30/20/33 is 2.07/6.19/4.13/6.21: three units still have their step, and keep 12.39 though the rule
    # would now give 12.00.
    "discount kept as it was shared": (
        {"A": (1, "10.00"), "B": (1, "30.00"), "C": (1, "20.00"), "D": (1, "33.00")},
        Terms([("18.60", THREE_FOR_80, "")]),
        [
            ("D", "26.79", "0", "0", "0"),
            ("C", "7.61", "0", "0", "0"),
            ("A", "10.00", "0", "0", "0"),
            ("B", "30.00", "0", "0", "0"),
        ],
    ),
    # 60.00 on 250/60 is 48/12: the lower step would give 25.00 for B, which was never given more than 12.00.
    "no more than was given": (
        {"A": (1, "250.00"), "B": (1, "60.00")},
        Terms([("60", tiers(("50", "25"), ("300", "60")), "")]),
        [("A", "202.00", "0", "0", "0"), ("B", "48.00", "0", "0", "0")],
    ),
    # 任选 3 件 99: 21.00 on 45/39/36 is 8/7/6.
    "bundle of six, one gone": (
        {"A": (2, "45.00"), "B": (2, "39.00"), "C": (2, "36.00")},
        Terms([("42", rule(kind="bundle", quantity=3, price="99.00"), "")]),
        # What is left has one bundle, of the dearest: 45 + 45 + 39 for 99 gives 30.00, then 45 + 39 + 39 gives 24.00.
        [("C", "24.00", "0", "0", "0"), ("A", "39.00", "0", "0", "0")],
    ),
    # Every 100.00: 10.00 off, three times; 30.00 on 300 is 10 a unit.
    "every hundred": (
        {"A": (3, "100.00")},
        Terms([("30", rule(kind="amount_off", **{"from": "100.00"}, off="10.00", every=True), "")]),
        [("A", "90.00", "0", "0", "0"), ("A", "90.00", "0", "0", "0"), ("A", "90.00", "0", "0", "0")],
    ),
    # Points 5/3/2, gift card 27/14/9: what is lost is taken from cash.
    "three tenders": (
        THREE,
        Terms(points="10", gift_card="50"),
        [
            ("C", "22.33", "9.00", "2.00", "0"),
            ("A", "68.00", "27.00", "5.00", "0"),
            ("B", "33.00", "14.00", "3.00", "0"),
        ],
    ),
    # 50.00 on 120/90 is 29/21, points 3/3 (6.00 by 120/90), card 46/34; B's return loses 29 of A's.
    "promotion lost, three tenders": (
        {"A": (1, "120.00"), "B": (1, "90.00")},
        Terms([("50", tiers(("200", "50")), "")], points="6", gift_card="80"),
        [("B", "3.00", "34.00", "3.00", "0"), ("A", "71.00", "46.00", "3.00", "0")],
    ),
    # A card paid all; the freight of what comes back is kept from it.
    "gift card pays freight": (
        {"A": (1, "30.00"), "B": (1, "20.00")},
        Terms(freight="6", gift_card="56"),
        [("B", "0", "20.00", "0", "0"), ("A", "0", "30.00", "0", "0")],
    ),
    # Covered lines count, also where they bear nothing of it: 6 and 6 of two promotions one after the other.
    "second unit of two lines": (
        {"A": (1, "30.00"), "B": (1, "20.00")},
        Terms([("10", SECOND_HALF, "")]),
        [("A", "20.00", "0", "0", "0"), ("B", "20.00", "0", "0", "0")],
    ),
}


@pytest.mark.parametrize("name", OWN)
def test_by_whole_yuan_the_same_rules_give_these_amounts(name):
    lines, terms, steps = OWN[name]
    places = {line: place for place, line in enumerate(lines)}
    books = build(lines, terms, ApportionmentPolicy.WHOLE_YUAN)
    policy = ReturnPolicy(FreightBack.NOTHING, rechecks_coupon=True)
    found, expected = [], []
    for line, cash, card, points, forgiven in steps:
        refund = send_back(books, {places[line]: 1}, policy)
        found.append((refund.back, refund.kept.not_collected))
        expected.append((Tenders(fen(cash), fen(card), fen(points)), fen(forgiven)))
        books = refund.books

    assert found == expected


def test_a_rule_that_does_not_explain_what_was_given_takes_nothing_back():
    """The channel told of 满500减30 for goods of 200.00: nobody knows why it gave it."""
    books = build(
        {"A": (1, "150.00"), "B": (1, "50.00")}, Terms([("30", tiers(("500", "30")), "")]), ApportionmentPolicy.FEN
    )
    assert send_back(books, {0: 1}).back == Tenders(cash=fen("127.50"))


@pytest.mark.parametrize("of_rule", [{}, {"kind": "lottery"}, {"text": "满200减30"}])
def test_without_a_rule_the_kept_goods_keep_their_shares(of_rule):
    lines = {"A": (1, "100.00"), "B": (1, "60.00"), "C": (1, "40.00")}
    books = build(lines, Terms([("30", of_rule, "")]), ApportionmentPolicy.FEN)
    assert send_back(books, {0: 1}).back == Tenders(cash=fen("85.00"))


def test_goodwill_before_a_return_is_not_taken_back_by_it():
    """Paid 170.00, 30.00 given: of the dear line 70.00 go back as without it."""
    books = build(
        {"A": (1, "100.00"), "B": (1, "60.00"), "C": (1, "40.00")}, Terms([("30", OFF_30, "")]), ApportionmentPolicy.FEN
    )
    books = replace(books, given=fen("30"), held=Tenders(fen("140")))

    first = send_back(books, {0: 1})
    second = send_back(first.books, {1: 1, 2: 1})

    assert (first.back.cash, second.back.cash) == (fen("70"), fen("70"))


def test_a_gift_that_comes_back_later_is_charged_no_longer():
    books = build({"A": (2, "100.00"), "G": (1, "0")}, Terms(gifts={"G": "29.90"}), ApportionmentPolicy.FEN)

    first = send_back(books, {0: 2}, gifts_kept={1: 1})
    second = send_back(first.books, {1: 1})

    assert (first.back.cash, second.back.cash) == (fen("170.10"), fen("29.90"))


def test_what_was_refused_at_the_door_is_not_collected_by_shares():
    """R11: 满100减20 on 70/50, paid on delivery; the 50 is refused: 70.00 are to be collected."""
    books = build(
        {"A": (1, "70.00"), "B": (1, "50.00")}, Terms([("20", tiers(("100", "20")), "")]), ApportionmentPolicy.FEN
    )
    assert send_back(books, {1: 1}).kept.held.cash == fen("70")


# --- What always holds

amounts = st.integers(0, 30_000)
rules = st.sampled_from(
    [
        {},
        OFF_30,
        tiers(("50", "10"), ("150", "25"), ("250", "60")),
        THREE_FOR_80,
        SECOND_HALF,
        rule(kind="discount", quantity=2, rate="0.7"),
        rule(kind="bundle", quantity=2, price="50.00"),
        rule(kind="amount_off", **{"from": "60.00"}, off="7.00", every=True),
        {"kind": "free_shipping", "from": "99.00", "freight": "6.00"},
    ]
)


@st.composite
def orders(draw: st.DrawFn) -> Any:
    """An order with terms that its lines can bear, and an order of steps that sends all of it back."""
    names = "ABCD"[: draw(st.integers(1, 4))]
    lines = {name: (draw(st.integers(1, 3)), f"{draw(amounts) / 100:.2f}") for name in names}
    goods = sum(units * fen(price) for units, price in lines.values())
    left = goods
    promotions = []
    for _place in range(draw(st.integers(0, 2))):
        amount = draw(st.integers(0, left))
        left -= amount
        promotions.append((f"{amount / 100:.2f}", draw(rules), ""))
    taken = {}
    for name in ("coupon", "points", "gift_card"):
        amount = draw(st.integers(0, left))
        left -= amount
        taken[name] = f"{amount / 100:.2f}"
    terms = Terms(
        promotions,
        coupon_from=draw(st.sampled_from(["", "40", "120"])),
        freight=f"{draw(st.integers(0, 900)) / 100:.2f}",
        **taken,
    )
    units = [place for place, name in enumerate(names) for _unit in range(lines[name][0])]
    steps = draw(st.permutations(units))
    cuts = sorted(draw(st.sets(st.integers(1, len(steps)), max_size=len(steps))) | {len(steps)})
    return lines, terms, [steps[a:b] for a, b in zip([0, *cuts], cuts, strict=False)]


def _in_steps(
    lines: Any, terms: Terms, steps: Any, sharing: ApportionmentPolicy, policy: ReturnPolicy
) -> list[Tenders]:
    books = build(lines, terms, sharing)
    paid, backs = books.held, []
    for step in steps:
        refund = send_back(books, {place: step.count(place) for place in set(step)}, policy)
        assert min(refund.back.cash, refund.back.gift_card, refund.back.points) >= 0
        books = refund.books
        assert min(books.held.cash, books.held.gift_card, books.held.points) >= 0
        assert refund.kept.held.total + refund.kept.not_collected == refund.kept.cost + refund.kept.charges
        backs.append(refund.back)
    assert sum(back.total for back in backs) + books.held.total == paid.total
    return [*backs, books.held]


@given(orders(), st.sampled_from(list(ApportionmentPolicy)), st.booleans())
def test_all_that_comes_back_in_any_steps_ends_at_zero_in_every_tender(order, sharing, rechecks):
    lines, terms, steps = order
    *_backs, held = _in_steps(lines, terms, steps, sharing, ReturnPolicy(FreightBack.SHARE, rechecks, True))
    assert held == Tenders()


@given(orders(), st.sampled_from(list(ApportionmentPolicy)))
def test_without_freight_going_back_just_the_freight_is_kept(order, sharing):
    lines, terms, steps = order
    *_backs, held = _in_steps(lines, terms, steps, sharing, ReturnPolicy(FreightBack.NOTHING))
    assert held.total == fen(terms.freight)


@given(orders(), st.sampled_from(list(ApportionmentPolicy)), st.randoms())
def test_the_order_of_lines_does_not_matter(order, sharing, random):
    lines, terms, steps = order
    names = list(lines)
    shuffled = random.sample(names, len(names))
    moved = [[shuffled.index(names[place]) for place in step] for step in steps]
    policy = ReturnPolicy(FreightBack.SHARE, True, True)

    assert _in_steps({name: lines[name] for name in shuffled}, terms, moved, sharing, policy) == _in_steps(
        lines, terms, steps, sharing, policy
    )


# --- Rules as channels tell them


@pytest.mark.parametrize(
    ("told", "attr", "code"),
    [
        ({"kind": "amount_off"}, "off", "required"),
        ({"kind": "amount_off", "off": "0"}, "off", "invalid"),
        ({"kind": "amount_off", "off": 30}, "off", "invalid"),
        ({"kind": "amount_off", "off": "1.005"}, "off", "invalid"),
        ({"kind": "amount_off", "off": "1", "every": "yes"}, "every", "invalid"),
        ({"kind": "amount_off", "tiers": []}, "tiers", "invalid"),
        ({"kind": "amount_off", "tiers": [{"from": "1", "off": "1"}, "x"]}, "tiers.1.off", "required"),
        ({"kind": "discount", "rate": "1"}, "rate", "invalid"),
        ({"kind": "discount", "rate": "NaN"}, "rate", "invalid"),
        ({"kind": "discount", "rate": "0.8", "quantity": 0}, "quantity", "invalid"),
        ({"kind": "discount", "rate": "0.8", "quantity": True}, "quantity", "invalid"),
        ({"kind": "nth_unit", "rate": "0.5", "nth": 0}, "nth", "invalid"),
        ({"kind": "bundle", "quantity": 3}, "price", "required"),
        ({"kind": "free_shipping", "freight": "6"}, "from", "required"),
    ],
)
def test_a_rule_of_a_known_kind_that_cannot_be_understood_names_its_field(told, attr, code):
    wrong = understand(told)
    assert isinstance(wrong, list)
    assert [(error.attr, error.code) for error in wrong] == [(attr, code)]
    assert wrong[0].detail


@pytest.mark.parametrize("told", [{}, {"kind": "lottery", "off": 3}, {"kind": ["amount_off"]}, {"kind": None}])
def test_a_rule_of_another_kind_is_kept_for_people(told):
    assert understand(told) is None


def test_tiers_may_come_in_any_order():
    assert understand(tiers(("300", "60"), ("200", "30"))) == understand(tiers(("200", "30"), ("300", "60")))
    assert isinstance(understand(tiers(("300", "60"))), Rule)
