"""Sheets of styles that a page loads together."""

import re
from collections import Counter

from oms.embedded import CHECKOUT

# A rule for all elements of a class, not only for those within others or at some width.
OF_A_CLASS = re.compile(r"^(\.[\w-]+) \{", re.MULTILINE)


def test_no_class_is_made_twice_for_two_purposes():
    classes = Counter(
        name
        for sheet in ("staff.css", "desk.css")
        for name in set(OF_A_CLASS.findall((CHECKOUT / "static" / "oms" / sheet).read_text("utf-8")))
    )

    assert classes[".oms-columns"] == 1
    assert [name for name, sheets in classes.items() if sheets > 1] == []
