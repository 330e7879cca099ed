"""What must be made known is made known where it is made: a kind that nobody registered does nothing."""

import ast

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
