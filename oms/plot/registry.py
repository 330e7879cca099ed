"""What troubles the sample can stage: how each comes about, its words, where one works on it, and when it is over."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.urls import reverse

from oms.common.models import TicketState
from oms.common.states import listed
from oms.plot.world import World
from orders.models.order import OrderState
from orders.models.return_request import ReturnState
from orders.models.stray_parcel import StrayState
from orders.models.sub_order import SubOrderState
from payments.models import ISSUED_INVOICES


@dataclass(frozen=True, slots=True)
class Staged:
    """What came of staging: the row that says whether the trouble is over, the row on whose page one works on it (the
    same unless given), and what the sentence names."""

    subject_id: int
    page_id: int | None = None
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of staff by its address, and the right that opens it."""

    name: str
    right: str

    def link(self, row_id: int) -> str:
        """The address of the row's page."""
        return reverse(f"admin:{self.name}", args=[row_id])


ORDER = Page("orders_order_change", "orders.view_order")
TICKET = Page("common_ticket_change", "common.view_ticket")
RETURN = Page("orders_returnrequest_change", "orders.view_returnrequest")
STRAY = Page("orders_strayparcel_change", "orders.view_strayparcel")
DIFFERENCE = Page("payments_billmatch_change", "payments.view_billmatch")
WAVE = Page("logistics_wave_change", "logistics.view_wave")
CONNECTION = Page("common_connection_change", "common.view_connection")

# While these hold of the row t of staged troubles, the trouble is not over.
HOLD_IS_OPEN = f"""EXISTS (SELECT FROM orders_hold h JOIN orders_order o ON o.id = h.order_id
    WHERE h.order_id = t.subject_id AND h.released_at IS NULL AND o.state <> '{OrderState.CANCELLED}')"""
TICKET_IS_OPEN = f"EXISTS (SELECT FROM common_ticket k WHERE k.id = t.subject_id AND k.state = '{TicketState.OPEN}')"
NOT_MERGED = f"""EXISTS (SELECT FROM orders_suborder s WHERE s.order_id = t.subject_id AND s.merge_group_id IS NULL
    AND s.state = '{SubOrderState.ALLOCATED}')"""
SHORT = f"""EXISTS (SELECT FROM orders_suborder s WHERE s.order_id = t.subject_id
    AND s.state = '{SubOrderState.BACKORDERED}')"""
ALERT_IS_OPEN = """EXISTS (SELECT FROM logistics_logisticsalert a WHERE a.shipment_id = t.subject_id
    AND a.closed_at IS NULL)"""
RETURN_IS_UNDECIDED = f"""EXISTS (SELECT FROM orders_returnrequest r WHERE r.id = t.subject_id
    AND r.state = '{ReturnState.REQUESTED}')"""
RETURN_IS_NOT_INSPECTED = f"""EXISTS (SELECT FROM orders_returnrequest r WHERE r.id = t.subject_id
    AND r.state IN ({listed((ReturnState.IN_TRANSIT, ReturnState.RECEIVED))}))"""
STRAY_IS_UNKNOWN = f"""EXISTS (SELECT FROM orders_strayparcel p WHERE p.id = t.subject_id
    AND p.state = '{StrayState.UNKNOWN}')"""
WAVE_IS_OPEN = "EXISTS (SELECT FROM logistics_wave v WHERE v.id = t.subject_id AND v.over_at IS NULL)"
CONNECTION_IS_OFF = "EXISTS (SELECT FROM common_connection c WHERE c.id = t.subject_id AND NOT c.is_active)"
DIFFERENCE_IS_OPEN = "EXISTS (SELECT FROM payments_billmatch m WHERE m.id = t.subject_id AND m.resolution = '')"
NOT_INVOICED = f"""EXISTS (SELECT FROM orders_invoicerequest q WHERE q.order_id = t.subject_id AND NOT q.is_withdrawn)
    AND NOT EXISTS (SELECT FROM payments_invoice i WHERE i.order_id = t.subject_id
        AND i.state IN ({listed(ISSUED_INVOICES)}))"""


@dataclass(frozen=True, slots=True)
class Trouble:
    """A trouble that can be staged: `stage` brings it about (raising NotStaged where the world is not as it needs it),
    `words` says what happened, `job` what to try, which takes the page's right and one of `rights`; `is_open` is an SQL
    condition of the row t of staged troubles."""

    code: str
    words: Any
    job: Any
    page: Page
    rights: Sequence[str]
    is_open: str
    stage: Callable[[World], Staged]

    def is_for(self, user: Any) -> bool:
        """Whether the person may do the job."""
        return user.has_perm(self.page.right) and any(user.has_perm(right) for right in self.rights)


TROUBLES: dict[str, Trouble] = {}


def register(trouble: Trouble) -> Trouble:
    """Offer the trouble, in the order in which the checklist has them. Raises ValueError where there is one of its
    code."""
    if trouble.code in TROUBLES:
        raise ValueError(f"There are two troubles {trouble.code}.")
    TROUBLES[trouble.code] = trouble
    return trouble
