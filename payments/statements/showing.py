"""What the pages of a statement show, the staff's and its merchant's."""

from typing import Any

from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from payments.models import Statement

# So many rows are on the page; the workbook has all.
MOST_ROWS = 200


def shown_of(statement: Statement) -> dict[str, Any]:
    """For the page's template: the statement, its first rows, and what was said about it."""
    return {
        "statement": statement,
        "rows": statement.rows.select_related("order", "sub_order").order_by("id")[:MOST_ROWS],
        "remarks": statement.remarks.all(),
    }


def hash_in_groups(statement: Statement) -> SafeString:
    """The statement's hash for a page: a line may break after each eighth digit."""
    groups = ((statement.row_hash[place : place + 8],) for place in range(0, 64, 8))
    return format_html_join(" ", "{}", groups)
