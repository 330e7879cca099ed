"""Codes that are stored have words."""

import ast
from collections.abc import Iterator

import pytest
from django.apps import apps
from django.utils.translation import override

from logistics.warehouses.notices import Notice
from oms.common.fact_words import OUTCOMES, kinds_of
from oms.common.models import Topic
from payments.models import NoticeKind
from tests.structure.source import modules


def _outcomes() -> Iterator[str]:
    """What code writes as the outcome of a fact, as text."""
    for _path, tree in modules("payments", "logistics"):
        constants = {
            node.targets[0].id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = getattr(node.func, "attr", getattr(node.func, "id", ""))
                given = {"Verdict": node.args[1:2], "_contradict": node.args[:1], "_contradiction": node.args[:1]}
                parts = [constants.get(part.id) if isinstance(part, ast.Name) else part for part in given.get(name, ())]
                yield from (str(part.value) for part in parts if isinstance(part, ast.Constant))


def test_what_comes_of_a_fact_has_words():
    written = set(_outcomes())
    assert {"asked_to_stop", "captured_again", "stopped_after_left"} < written
    # Put together where a warehouse goes on with what was given up.
    after = {f"{what}_after_{why}" for what in ("left", "packed", "goes_on") for why in ("cancelled", "refused")}
    with override("en"):
        assert {code for code in written | after if OUTCOMES.word(code) == code} == set()


@pytest.mark.parametrize(("topic", "named"), [(Topic.PAYMENT, NoticeKind), (Topic.WAREHOUSE, Notice)])
def test_kinds_of_facts_have_the_words_of_their_topic(topic, named):
    with override("zh-hans"):
        assert [kinds_of(topic).word(kind.value) for kind in named] == [str(kind.label) for kind in named]
        assert kinds_of(topic).word("unreadable") == "无法识别"


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_what_a_constraint_says_can_be_said(language: str) -> None:
    """Django puts the constraint's name into its message: a percent sign in it fails only when somebody breaks it."""
    with override(language):
        for model in apps.get_models():
            for constraint in model._meta.constraints:
                assert constraint.get_violation_error_message(), constraint.name
