"""The tabs above the list of returns, and the filters that they are."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.desk.lists import YesFilter
from oms.common.states import listed
from orders.models import MoneyState, ReturnState
from orders.models.return_request import OPEN_RETURNS, TIMED

# No more are counted in a tab.
MOST_COUNTED = 1000
_S = ReturnState


def _overdue(rows: Any) -> Any:
    return rows.filter(pk__in=[*_overdue_ids()])


def _overdue_ids() -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id FROM orders_returnrequest WHERE state IN ({listed(TIMED)})"
            f" AND (ready_at IS NULL OR ready_at < now()) ORDER BY id DESC LIMIT {MOST_COUNTED}"
        )
        return [key for (key,) in cursor.fetchall()]


class OverdueFilter(YesFilter):
    """Returns whose deadline is over."""

    title = gettext_lazy("overdue")
    parameter_name = "overdue"
    condition = staticmethod(_overdue)


def _arrived(rows: Any) -> Any:
    return rows.filter(state=_S.IN_TRANSIT, arrived_at__isnull=False)


class ArrivedFilter(YesFilter):
    """Returns whose parcel was delivered, as its carrier says, and that nobody received."""

    title = gettext_lazy("at the warehouse, says the carrier")
    parameter_name = "arrived"
    condition = staticmethod(_arrived)


# Each tab: its title, the filter of the list that it is, and its condition in SQL.
_TABS: Sequence[tuple[Any, str, str]] = (
    (gettext_lazy("To be decided"), "state__exact=requested", f"state = '{_S.REQUESTED}'"),
    (gettext_lazy("Waits for goods"), "state__exact=awaiting_goods", f"state = '{_S.AWAITING_GOODS}'"),
    (gettext_lazy("On its way back"), "state__exact=in_transit", f"state = '{_S.IN_TRANSIT}'"),
    (
        gettext_lazy("At the warehouse, says the carrier"),
        "arrived=1",
        f"state = '{_S.IN_TRANSIT}' AND arrived_at IS NOT NULL",
    ),
    (gettext_lazy("To be inspected"), "state__exact=received", f"state = '{_S.RECEIVED}'"),
    (gettext_lazy("Money to grant"), "money_state__exact=to_grant", f"money_state = '{MoneyState.TO_GRANT}'"),
    (
        gettext_lazy("Overdue"),
        "overdue=1",
        f"state IN ({listed(TIMED)}) AND (ready_at IS NULL OR ready_at < now())",
    ),
)


def tabs(request: HttpRequest) -> list[dict[str, Any]]:
    """The tabs above the list, each with how many returns it has. One statement."""
    counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for _title, _query, condition in _TABS)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {counts} FROM (SELECT * FROM orders_returnrequest WHERE state IN ({listed(OPEN_RETURNS)})"
            f" LIMIT {MOST_COUNTED}) AS t"
        )
        found = cursor.fetchone()
    chosen = request.GET.urlencode()
    shown = [{"title": _("All"), "query": "?", "is_active": not chosen, "count": "", "is_empty": True}]
    for (title, query, _condition), count in zip(_TABS, found, strict=True):
        more = "+" if count == MOST_COUNTED else ""
        shown.append(
            {
                "title": title,
                "query": f"?{query}",
                "is_active": chosen == query,
                "count": f"{count}{more}",
                "is_empty": not count,
            }
        )
    return shown
