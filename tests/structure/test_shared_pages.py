"""A page of an admin site is one object for all threads: what one request keeps on it another one shows."""

import ast
import inspect
import textwrap
from collections.abc import Iterator

from django.contrib import admin

import oms.urls  # noqa: F401 - brings all pages
from oms import merchant_admin

OURS = {"oms", "orders", "inventory", "payments", "logistics"}
SITES = (admin.site, merchant_admin.site)


def own_classes() -> set[type]:
    """The classes of this project that pages are made of."""
    pages = [type(page) for site in SITES for page in site._registry.values()]
    return {one for page in pages for one in page.__mro__ if one.__module__.partition(".")[0] in OURS}


def kept(one: type) -> Iterator[str]:
    """What methods of the class assign to the page itself."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
    for method in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name != "__init__"):
        for node in ast.walk(method):
            is_set = isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
            if is_set and isinstance(node.value, ast.Name) and node.value.id == "self":
                yield f"{one.__module__}.{one.__name__}.{method.name}: self.{node.attr}"


def test_no_page_keeps_what_a_request_asked_for() -> None:
    found = own_classes()
    assert len(found) > 100
    assert [line for one in sorted(found, key=str) for line in kept(one)] == []
