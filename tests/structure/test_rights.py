"""A right that code asks for is one that somebody can be given."""

import re

from django.apps import apps
from django.contrib.auth import get_permission_codename

from tests.structure.source import modules, texts

APPS = ("orders", "payments", "logistics", "inventory", "merchants", "common", "auth")
# What a right is called that Django makes for every model, or that a model declares.
_RIGHT = re.compile(rf"({'|'.join(APPS)})\.([a-z]+_[a-z_]+)")


def _granted() -> set[str]:
    """Every right of every model."""
    found = set()
    for model in apps.get_models():
        options = model._meta
        found |= {
            f"{options.app_label}.{get_permission_codename(verb, options)}" for verb in options.default_permissions
        }
        found |= {f"{options.app_label}.{codename}" for codename, _name in options.permissions}
    return found


def test_every_right_that_code_asks_for_exists():
    granted = _granted()
    asked = {
        (text, f"{path}:{line}")
        for path, tree in modules()
        for line, text in texts(tree)
        if _RIGHT.fullmatch(text) and not text.endswith("_id")
    }

    assert {"orders.hold_order", "orders.view_personal_data"} < {text for text, _where in asked}
    assert sorted((text, where) for text, where in asked if text not in granted) == []


def test_every_right_of_our_own_is_said_in_words_that_can_be_translated():
    names = [name for model in apps.get_models() for _codename, name in model._meta.permissions]

    assert [name for name in names if isinstance(name, str)] == []
