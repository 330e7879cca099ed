"""Rows that a stage gave up, tried once more by a person: one by the button on its page, many in the list."""

from collections.abc import Callable, Iterable
from contextlib import suppress

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from logistics.tickets import RETRY
from oms.common.desk.acting import RowAction
from oms.common.errors import OmsError

# Gives the row (id) back to its stage. Raises OmsError where it is not stuck.
Retry = Callable[[HttpRequest, int], object]


def button(retry: Retry) -> RowAction:
    """The button on a row's page."""

    def do(request: HttpRequest, key: int, _data: object) -> str:
        retry(request, key)
        return _("It is tried again.")

    return RowAction("retry", RETRY, gettext_lazy("Try again"), do, tone="primary", icon="replay")


def each(request: HttpRequest, ids: Iterable[int], retry: Retry) -> None:
    """Give rows back, and say how many that were."""
    count = 0
    for row_id in ids:
        # Somebody else may have done so meanwhile.
        with suppress(OmsError):
            retry(request, row_id)
            count += 1
    text = ngettext("One row is tried again.", "%(count)s rows are tried again.", count)
    messages.success(request, text % {"count": count})
