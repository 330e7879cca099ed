"""What staff do to the ticked rows of a list, row by row."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest

from oms.common.errors import OmsError


def run_for_each(request: HttpRequest, rows: QuerySet[Any], work: Callable[[int], object], done: str) -> None:
    """Do the work on each ticked row, by its id; a message says what became of it."""
    for row in rows.order_by("pk"):
        try:
            work(row.pk)
        except OmsError as refusal:
            messages.error(request, f"{row}: {refusal}")
        else:
            messages.success(request, done % {"row": row})
