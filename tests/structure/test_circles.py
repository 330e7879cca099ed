"""No files import each other in a circle: each can be read, and changed, knowing only those below it."""

import ast
from collections.abc import Collection
from graphlib import CycleError, TopologicalSorter

from tests.structure.source import modules


def _imported(tree: ast.Module, known: Collection[str]) -> set[str]:
    """The files that a file imports when it is loaded; `from a import b` means a file b in a, or what a holds."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                found.add(inner if inner in known else node.module)
    return found & set(known)


def _circle(trees: dict[str, ast.Module]) -> list[str]:
    """A circle among the files, or nothing."""
    imports = {name: _imported(tree, trees) - {name} for name, tree in trees.items()}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_files_import_each_other_in_a_circle():
    trees = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): tree for path, tree in modules()}

    assert _circle(trees) == []


def test_a_circle_is_found():
    sources = {"a.b": "from a import c", "a.c": "import a.d", "a.d": "from a.b import x", "a": ""}

    assert set(_circle({name: ast.parse(source) for name, source in sources.items()})) == {"a.b", "a.c", "a.d"}
