"""Stages and others that are no persons have words for the timeline."""

import ast
import re
from collections.abc import Iterator

import pytest
from django.utils.translation import override

from oms import dashboard  # noqa: F401 - names the stages that do nothing to orders
from oms.embedded import CHECKOUT
from oms.pipeline import PIPELINE_AND_WEBHOOKS
from orders import actors
from orders.models import ActorKind
from tests.structure.source import columns_of, modules, texts


def test_every_stage_has_a_name_for_people():
    assert [stage.name for stage in PIPELINE_AND_WEBHOOKS if actors.word(stage.name) == stage.name] == []


def _written() -> Iterator[str]:
    """The names of actors that are written as text: as stages, and in the statements that tell the timeline."""
    for _path, tree in modules("orders", "payments", "logistics"):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) == "job":
                yield from (part.value for part in node.args if isinstance(part, ast.Constant))
        for _line, text in texts(tree):
            for row in columns_of(text, "orders_orderevent"):
                if re.fullmatch(r"'\w+'", row["actor"]):
                    yield row["actor"].strip("'")


def test_every_actor_that_code_names_has_a_name_for_people():
    written = set(_written())

    assert {"cash", "owing", "complete", "allocate"} < written
    assert {name for name in written if actors.word(name) == name} == set()


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        (ActorKind.JOB, "cancel_at_warehouse", "系统 向仓库申请取消"),
        (ActorKind.CARRIER, "carrier", "承运商"),
        (ActorKind.CARRIER, "SF", "承运商 SF"),
        (ActorKind.STAFF, "review", "员工 review"),
        ("moon", "landing", "moon landing"),
    ],
)
def test_actors_are_named_in_the_readers_language(kind, name, words):
    with override("zh-hans"):
        assert actors.named(kind, name) == words


# Where a template prints who did something: fields of rows, which may hold a machine's name.
BY = re.compile(r"\{\{ ?[\w.]+\.(?:actor|(?:opened|closed|created|proposed|decided|done|changed)_by) ?\}\}")
# Put into words before the template, or written by people alone.
IN_WORDS = {
    "admin/orders/order/timeline.html: {{ group.actor }}",
    "admin/orders/order/page.html: {{ hold.opened_by }}",
    "admin/payments/statement/remarks.html: {{ remark.actor }}",
}


def test_no_template_prints_an_actor_by_its_code():
    root = CHECKOUT / "templates"
    printed = {
        f"{path.relative_to(root)}: {found}"
        for path in root.rglob("*.html")
        for found in BY.findall(path.read_text("utf-8"))
    }
    assert printed == IN_WORDS
