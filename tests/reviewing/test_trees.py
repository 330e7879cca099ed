"""Trees of conditions: what is wrong with one is named; compiled they mean what they say."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.utils.translation import override
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orders.models import Order
from orders.reviewing import compiling, shipped, tree
from orders.reviewing.compiling import Rule
from orders.reviewing.params import Catalogue
from tests import factories

pytestmark = pytest.mark.django_db

_AMOUNT = {"is": "amount_over", "amount": "10.00"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({}, "Condition 1: Give a condition, or a group of conditions."),
        ({"all": []}, "Condition 1: The group is empty: add a condition to it, or remove it."),
        ({"any": [_AMOUNT, {"all": []}]}, "Condition 2: The group is empty: add a condition to it, or remove it."),
        ({"some": [_AMOUNT]}, "Condition 1: A group is one of: all, any, not."),
        ({"all": [_AMOUNT], "any": [_AMOUNT]}, "Condition 1: A group is one of: all, any, not."),
        ({"is": "nonsense"}, "Condition 1: There is no condition “nonsense”."),
        (
            {"all": [{"any": [_AMOUNT, {"is": "amount_over", "amount": "x"}]}]},
            "Condition 1.2 (Amount over a limit): over (yuan): Give an amount in yuan, such as 5000.00.",
        ),
        (
            {"is": "amount_over", "amount": "1.00", "more": 1},
            "Condition 1 (Amount over a limit): It has no parameter “more”.",
        ),
        (
            {"is": "buyer_orders", "orders": 5, "minutes": 0},
            "Condition 1 (Too many orders of a buyer): within minutes: Give a whole number from 1 to 10080.",
        ),
        (
            {"is": "has_sku", "skus": ["GONE"]},
            "Condition 1 (Certain SKUs): SKU codes: there is no GONE (any more): correct it or take it out.",
        ),
        (
            {"is": "on_list", "list": "gone"},
            "Condition 1 (Buyer, phone or address on a list): list: there is no such list “gone”: choose another one or"
            " make it.",
        ),
        ({"is": "address_has"}, "Condition 1 (The address has certain words): Give words, or a list of them."),
        (
            {"is": "paid_by", "methods": ["gold"]},
            "Condition 1 (Payment method): payment methods: “gold” is none of the",
        ),
    ],
)
def test_what_is_wrong_with_a_tree_is_said_with_the_condition(raw, said):
    with override("en"), pytest.raises(tree.Faulty) as refused:
        tree.read(raw, Catalogue())
    with override("en"):
        assert said in [str(problem)[: len(said)] for problem in refused.value.problems]


def test_a_list_of_words_is_no_list_of_people():
    shipped.install_default_lists()
    tree.read({"is": "address_has", "list": "villages"}, Catalogue())
    with pytest.raises(tree.Faulty):
        tree.read({"is": "on_list", "list": "villages"}, Catalogue())


def test_groups_have_a_depth_and_rules_a_size():
    deep: dict[str, Any] = _AMOUNT
    for _ in range(tree.MOST_DEPTH):
        deep = {"all": [deep]}
    for raw in (deep, {"all": [_AMOUNT] * (tree.MOST_CONDITIONS + 1)}):
        with pytest.raises(tree.Faulty):
            tree.read(raw)


def test_a_tree_in_words():
    raw = {"all": [_AMOUNT, {"not": {"any": [{"is": "has_remark"}, {"is": "units_over", "units": 0}]}}]}
    with override("en"):
        assert tree.in_words(tree.read(raw)) == (
            "the amount payable is over 10.00 yuan and not (The buyer left a remark or it has more than 0 units)"
        )


def test_what_a_sentence_does_not_name_is_said_behind_it():
    with override("en"):
        any_sku, one = {"is": "sku_units_over", "units": 100}, {"is": "sku_units_over", "units": 5, "skus": ["P1"]}
        assert tree.in_words(tree.read(any_sku)) == "it has more than 100 units of a SKU"
        assert tree.in_words(tree.read(one)) == "it has more than 5 units of a SKU: P1"


# --- Compiled, a tree means what it says.


def _amount(order: Order, values: dict[str, Any]) -> bool:
    return order.payable_amount > Decimal(values["amount"])


# The twin of each condition, read off an order in Python.
_TWINS: dict[str, Any] = {
    "amount_over": _amount,
    "units_over": lambda order, values: order.total_quantity > values["units"],
    "has_remark": lambda order, values: bool(order.remark.strip()),
    "remark_has": lambda order, values: any(word.lower() in order.remark.lower() for word in values["words"]),
    "paid_by": lambda order, values: order.payment_method in values["methods"],
    "sku_units_over": lambda order, values: order.total_quantity > values["units"],  # of one SKU here
    "to_province": lambda order, values: order.region.province in values["provinces"],
    "cod_over": lambda order, values: order.payment_method == "cod" and _amount(order, values),
}
_LEAVES = st.one_of(
    st.builds(lambda fen: {"is": "amount_over", "amount": f"{fen / 100:.2f}"}, st.integers(600, 12_000)),
    st.builds(lambda fen: {"is": "cod_over", "amount": f"{fen / 100:.2f}"}, st.integers(600, 12_000)),
    st.builds(lambda units: {"is": "units_over", "units": units}, st.integers(0, 12)),
    st.builds(lambda units: {"is": "sku_units_over", "units": units}, st.integers(0, 12)),
    st.just({"is": "has_remark"}),
    st.builds(
        lambda words: {"is": "remark_has", "words": words},
        st.lists(st.sampled_from(["急", "A", "门口", "%"]), min_size=1, max_size=2),
    ),
    st.builds(lambda method: {"is": "paid_by", "methods": [method]}, st.sampled_from(["cod", "prepaid"])),
    st.builds(lambda name: {"is": "to_province", "provinces": [name]}, st.sampled_from(["北京市", "广东省"])),
)
_TREES = st.recursive(
    _LEAVES,
    lambda parts: st.one_of(
        st.builds(lambda some: {"all": some}, st.lists(parts, min_size=1, max_size=3)),
        st.builds(lambda some: {"any": some}, st.lists(parts, min_size=1, max_size=3)),
        st.builds(lambda one: {"not": one}, parts),
    ),
    max_leaves=8,
)


def holds_in_python(raw: dict[str, Any], order: Order) -> bool:
    if "is" in raw:
        return bool(_TWINS[raw["is"]](order, raw))
    if "not" in raw:
        return not holds_in_python(raw["not"], order)
    how = all if "all" in raw else any
    return how(holds_in_python(part, order) for part in raw[next(iter(raw))])


@pytest.fixture
def orders(shop: factories.Shop) -> list[Order]:
    """Some that differ in all that the trees look at."""
    remarks, made = ["", " ", "急a", "放门口", "100%"], []
    for place in range(30):
        method = "cod" if place % 3 else "prepaid"
        line = (shop.sku, 1 + place % 11, f"{1 + place % 7}.50")
        made.append(shop.place_order(line, remark=remarks[place % 5], payment_method=method).pk)
    return list(Order.objects.filter(pk__in=made).select_related("region"))


def rule_of(number: int, priority: int, outcome: str, node: tree.Node) -> Rule:
    return Rule(number, UUID(int=number), f"r{number}", priority, outcome, int(outcome == "approval"), node)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raws=st.lists(_TREES, min_size=1, max_size=4))
def test_a_compiled_tree_fits_the_orders_that_it_says(orders, raws):
    rules = [rule_of(number, 1, "hold", tree.read(raw)) for number, raw in enumerate(raws, 1)]

    found = {(hit.order_id, hit.rule.id) for hit in compiling.find(rules, [order.pk for order in orders])}

    assert found == {
        (order.pk, number) for order in orders for number, raw in enumerate(raws, 1) if holds_in_python(raw, order)
    }


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.sampled_from(["pass", "wait", "hold", "approval", "reject"])),
        min_size=1,
        max_size=6,
    )
)
def test_what_comes_of_several_rules(found):
    node = tree.read(_AMOUNT)
    hits = [
        compiling.Hit(1, rule_of(number, priority, outcome, node), [])
        for number, (priority, outcome) in enumerate(found, 1)
    ]

    verdict = compiling.judge(hits)[1]

    passing = min((priority for priority, outcome in found if outcome == "pass"), default=9)
    left = [(priority, outcome) for priority, outcome in found if priority <= passing]
    holding = [priority for priority, outcome in left if outcome in ("hold", "approval")]
    rejecting = [priority for priority, outcome in left if outcome == "reject"]
    if rejecting and min(rejecting) < min(holding, default=9):
        assert (verdict.outcome, verdict.holds) == ("reject", [])
    elif holding or rejecting:
        assert verdict.outcome in ("hold", "approval")
        assert len(verdict.holds) == len(holding) + len(rejecting)
    else:
        assert verdict.holds == []
        assert verdict.outcome == ("wait" if passing == 9 else "pass")
