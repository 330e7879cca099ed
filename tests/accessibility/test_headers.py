"""What axe sees only where a table has enough rows, seen in the templates themselves."""

import re

from oms.embedded import CHECKOUT

EMPTY = re.compile(r"<th(?: [^>]*)?>\s*</th>")


def test_every_column_has_a_heading() -> None:
    """One that is to be seen by nobody is hidden (`oms-hidden`), not left out: screen readers name each cell by it."""
    templates = sorted((CHECKOUT / "templates").rglob("*.html"))

    assert len(templates) > 200
    assert [str(path.relative_to(CHECKOUT)) for path in templates if EMPTY.search(path.read_text("utf-8"))] == []
