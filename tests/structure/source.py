"""The project's own code, read as syntax trees."""

import ast
from collections.abc import Iterator
from pathlib import Path

from oms.embedded import CHECKOUT

PACKAGES = ("oms", "inventory", "orders", "payments", "logistics")


def modules(*packages: str) -> Iterator[tuple[Path, ast.Module]]:
    """Every module of the packages (path from the checkout on, tree), without tests and migrations."""
    for package in packages or PACKAGES:
        for path in sorted((CHECKOUT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path.relative_to(CHECKOUT), ast.parse(path.read_text(encoding="utf-8"))


def texts(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Every string of the module but docstrings (line, text); what an f-string puts in shows as {}."""
    parts: set[ast.AST] = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts.update(node.values)
            yield node.lineno, text_of(node)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            yield node.lineno, node.value


def text_of(node: ast.AST) -> str:
    """The text of a string or f-string; what it puts in shows as {}."""
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else "{}"
