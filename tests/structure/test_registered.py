"""What must be made known is made known where it is made: a kind that nobody registered does nothing."""

import ast
import os
import subprocess
import sys

from oms.embedded import CHECKOUT
from tests.structure.source import modules

# What is made, and by what it is made known.
REGISTERED = {
    "JobKind": "register",
    "ImportKind": "register",
    "Export": "register",
    "Known": "register",  # protocols
    "TicketKind": "register_kind",
}


def _name(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def test_every_kind_is_registered():
    found = set()
    for path, tree in modules():
        known = {argument for node in ast.walk(tree) if _name(node) in REGISTERED.values() for argument in node.args}  # type: ignore[attr-defined]
        for node in ast.walk(tree):
            if _name(node) in REGISTERED:
                found.add(_name(node))
                assert node in known, f"{path}:{node.lineno}: register it where it is made"  # type: ignore[attr-defined]

    assert found == set(REGISTERED)


IMPORTED = """
import sys
import django
django.setup()
import oms.pipeline, oms.urls
print("\\n".join(sys.modules))
"""


def test_who_registers_something_is_imported_by_the_site() -> None:
    """In a process of its own: here a test of the module may have imported it."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "oms.settings", "DEBUG": "1"}
    found = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", IMPORTED], cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=True
    )
    imported = set(found.stdout.split())
    registering = {
        ".".join(path.with_suffix("").parts).removesuffix(".__init__")
        for path, tree in modules()
        if any(_name(node) in (*REGISTERED, "event") for node in ast.walk(tree))
    }

    assert registering - imported == set(), "Import it where its app gets ready (apps.py), or nothing of it is known."
