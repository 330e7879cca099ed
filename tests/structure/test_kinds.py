"""The table of event kinds is whole: each kind says everything, somebody writes it, and nobody writes another."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.db import IntegrityError, transaction
from django.utils.translation import override

from oms.embedded import CHECKOUT
from orders import kinds
from orders.kinds import EventKind, event
from orders.models import OrderEvent
from orders.telling import timeline
from tests import factories, steps
from tests.structure.source import PACKAGES, columns_of, modules, texts

APPS = ("orders", "payments", "logistics")
# What has a `kinds.py`: each app, and a part of one that has many kinds.
HOMES = (
    *APPS,
    "orders.changing",
    "orders.returning",
    "logistics.by_merchant",
    "logistics.carriers.recalling",
    "logistics.returning",
)
FILES = {f"{home.replace('.', '/')}/kinds.py" for home in HOMES}
ALL = [pytest.param(kind, id=kind.code) for kind in kinds.known().values()]


def _constants() -> dict[tuple[str, str], set[str]]:
    """The codes of the kinds behind each constant: by module and name."""
    found: dict[tuple[str, str], set[str]] = {}
    for module in (f"{home}.kinds" for home in HOMES):
        for name, value in vars(import_module(module)).items():
            values = value.values() if isinstance(value, dict) else [value]
            codes = {str(kind) for kind in values if isinstance(kind, EventKind)}
            if codes and name.isupper():
                found[module, name] = codes
    return found


@pytest.mark.parametrize("kind", ALL)
def test_a_kind_is_whole(kind):
    assert re.fullmatch(r"[a-z_]{3,40}", kind.code)
    assert re.fullmatch(r"[a-z0-9_]+", kind.icon)
    assert kind.tone in ("muted", "info", "success", "warning", "danger")
    assert not kind.private & (kind.public or set())
    if not callable(kind.sentence):
        assert set(re.findall(r"%\((\w+)\)s", str(kind.sentence))) <= kind.fields
    for language in ("en", "zh-hans"):
        with override(language):
            assert kind.tell({})
            assert "%(" not in kind.tell(dict.fromkeys(kind.fields))
    assert kind.public is not None or not kind.for_buyer


def test_every_kind_stands_in_the_file_of_its_app():
    calls = [
        str(path)
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "event"
    ]

    assert set(calls) == FILES
    assert set.union(*_constants().values()) == set(kinds.known()), "Give each kind a constant."


def test_a_kind_is_refused_that_another_one_is_called_like_or_whose_news_nobody_could_be_told_of():
    with pytest.raises(ValueError, match="two kinds of events are called held"):
        event("held", "x", (), tone="info", icon="x")
    with pytest.raises(ValueError, match="news of moon_landing must be about one of invoice, order, payment"):
        event("moon_landing", "x", (), tone="info", icon="x", news={"moon.landed": "x"})
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'public'"):
        event("moon_landing", "x")  # type: ignore[call-arg]
    assert "moon_landing" not in kinds.known()


def _names_of_kinds(tree: ast.Module) -> dict[str, tuple[str, str]]:
    """What a module calls modules of kinds ("kinds": ("orders.kinds", "")) and constants in them."""
    names: dict[str, tuple[str, str]] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if alias.name == "kinds" and node.module in HOMES:
                    names[alias.asname or alias.name] = (f"{node.module}.kinds", "")
                elif node.module in {f"{home}.kinds" for home in HOMES}:
                    names[alias.asname or alias.name] = (node.module, alias.name)
    return names


def _used(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The constants that a module uses for more than finding events."""
    names = _names_of_kinds(tree)
    only_read = {
        part
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") in ("filter", "exclude", "get")
        for keyword in node.keywords
        if keyword.arg in ("kind", "kind__in")
        for part in ast.walk(keyword.value)
    }
    for node in ast.walk(tree):
        if node in only_read:
            continue
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in names:
            yield names[node.value.id][0], node.attr
        elif isinstance(node, ast.Name) and names.get(node.id, ("", ""))[1]:
            yield names[node.id]


def test_every_kind_is_written_by_somebody():
    # These only read, or check.
    readers = {
        Path("orders/telling/events.py"),
        Path("orders/invariants.py"),
        *map(Path, FILES),
    }
    used = {use for path, tree in modules(*APPS) if path not in readers for use in _used(tree)}

    constants = _constants()
    written = set().union(*(codes for constant, codes in constants.items() if constant in used))
    assert set(kinds.known()) - written == set()


def _kinds_given(call: ast.Call) -> Iterator[ast.expr]:
    """What a call that writes events gives as their kind."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in ("record", "record_of_sub_orders"):
        yield from call.args[1:2]
    if isinstance(call.func, ast.Attribute) and name == "Entry":
        yield from call.args[1:2]
    if name == "OrderEvent":
        yield from (keyword.value for keyword in call.keywords if keyword.arg == "kind")


def test_nobody_writes_a_kind_that_is_not_in_the_table():
    """By its constant, which must exist; a word may be a slip."""
    for path, tree in modules():
        for line, text in texts(tree):
            for row in columns_of(text, "orders_orderevent"):
                assert not re.findall(r"'(\w+)'", row["kind"]), f"{path}:{line}: write '{{kinds.…}}'"
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            for kind in _kinds_given(call):
                assert not isinstance(kind, ast.Constant | ast.JoinedStr), f"{path}:{call.lineno}"


def test_the_scan_of_statements_finds_what_stands_in_a_column():
    sql = (
        "WITH x AS (y) INSERT INTO t (order_id, kind, data) SELECT coalesce(a, b), CASE WHEN x THEN 'y' END, {} FROM z"
    )
    assert list(columns_of(sql, "t")) == [
        {"order_id": "coalesce(a, b)", "kind": "CASE WHEN x THEN 'y' END", "data": "{} FROM z"}
    ]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("of_sub_order", "kind", "to_state", "problem"),
    [
        (False, "moon_landing", "", "no kind of timeline event is called moon_landing and tells no move"),
        (False, "held", "closed", "called held and tells a move of an order"),
        (True, "held", "packed", "called held and tells a move of a sub-order"),
        (False, "closed", "", "called closed and tells no move"),
        (True, "closed", "closed", "called closed and tells a move of a sub-order"),
        (False, "allocated", "allocated", "called allocated and tells a move of an order"),
    ],
)
def test_the_database_takes_no_event_that_is_not_in_the_table(shop, of_sub_order, kind, to_state, problem):
    order = factories.split_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    event = OrderEvent(
        order=order,
        sub_order=order.sub_orders.get() if of_sub_order else None,
        kind=kind,
        actor_kind="job",
        actor="test",
        to_state=to_state,
    )

    with pytest.raises(IntegrityError, match=problem), transaction.atomic():
        OrderEvent.objects.bulk_create([event])


@pytest.mark.django_db
def test_data_that_a_kind_does_not_name_is_refused(shop):
    order = shop.place_order()

    with pytest.raises(ValueError, match="events of the kind held have no phone"):
        timeline.record(order.pk, kinds.HELD, steps.STAFF, reason="x", phone="13800001111")
    with pytest.raises(ValueError, match="events of the kind backordered have no to_state"):
        timeline.record_of_sub_orders([1], kinds.BACKORDERED, steps.STAFF, to_state="backordered")


def test_the_documentation_says_of_every_type_of_news_whom_it_is_for_and_what_it_means():
    told_to = {
        "order": "seller",
        "payment": "seller",
        "refund": "seller",
        "invoice": "seller",
        "settlement": "fulfiller",
    }
    meanings: dict[str, list[str]] = {}
    for kind in kinds.known().values():
        for news, meaning in kind.news.items():
            meanings.setdefault(news, []).append(meaning)
    text = (CHECKOUT / "docs" / "webhooks.md").read_text()

    for news, said in meanings.items():
        listeners = told_to.get(news.partition(".")[0], "seller, fulfiller")
        assert f"| `{news}` | {listeners} | {' / '.join(said)} |" in text


def test_every_package_is_read():
    assert {path.parts[0] for path, _tree in modules()} == set(PACKAGES)
