"""What axe sees only where a table has enough rows, seen in the templates themselves."""

import re

from oms.embedded import CHECKOUT

EMPTY = re.compile(r"<th(?: [^>]*)?>\s*</th>")


def test_every_column_has_a_heading() -> None:
    """One that is to be seen by nobody is hidden (`oms-hidden`), not left out: screen readers name each cell by it."""
    templates = sorted((CHECKOUT / "templates").rglob("*.html"))

    assert len(templates) > 200
    assert [str(path.relative_to(CHECKOUT)) for path in templates if EMPTY.search(path.read_text("utf-8"))] == []


def test_every_help_has_the_id_by_which_its_field_names_it() -> None:
    """Django's fields with a help say `aria-describedby` by themselves."""
    ours = [path for path in (CHECKOUT / "templates").rglob("*.html") if "unfold" not in path.parts]
    helps = {
        str(path.relative_to(CHECKOUT)): line.strip()
        for path in ours
        for line in path.read_text("utf-8").splitlines()
        if "{{ field.help_text }}" in line
    }

    assert "templates/admin/row_action.html" in helps
    assert [name for name, line in helps.items() if 'id="{{ field.auto_id }}_helptext"' not in line] == []
