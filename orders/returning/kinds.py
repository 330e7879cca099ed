"""The kinds of timeline events about returns; see `orders.kinds`."""

from django.utils.translation import gettext_lazy as _

from orders.actors import name_actors
from orders.kinds import event
from orders.returning import words

name_actors({"returns": _("Deadlines of returns"), "exchanges": _("Exchanges")})

REQUESTED = event(
    "return_requested",
    words.tell_requested,
    ("number", "wanted", "reason"),
    news={"return.requested": "It was asked for; decide on it."},
    tone="warning",
    icon="assignment_return",
    for_buyer=True,
)
APPROVED = event(
    "return_approved",
    words.tell_approved,
    ("number", "warehouse"),
    news={"return.approved": "It was approved."},
    tone="info",
    icon="assignment_turned_in",
    for_buyer=True,
)
DECLINED = event(
    "return_declined",
    _("Return %(number)s was declined: %(why)s"),
    ("number", "why"),
    news={"return.declined": "It was declined."},
    tone="danger",
    icon="block",
    for_buyer=True,
)
ESCALATED = event(
    "return_escalated",
    _("The platform is to decide on return %(number)s: %(why)s"),
    ("number", "why"),
    news={"return.escalated": "The platform decides on it."},
    tone="danger",
    icon="gavel",
)
CANCELLED = event(
    "return_cancelled",
    words.tell_cancelled,
    ("number", "why"),
    news={"return.cancelled": "It was cancelled; the buyer keeps the goods."},
    tone="muted",
    icon="undo",
    for_buyer=True,
)
EXPIRED = event(
    "return_expired",
    _("Return %(number)s was never handed over, and is closed."),
    ("number",),
    news={"return.expired": "The goods were not handed over in time."},
    tone="muted",
    icon="timer_off",
    for_buyer=True,
)
EXPECTED = event(
    "return_expected",
    _("What of sub-order %(sub_order)s did not reach the buyer comes back as return %(number)s."),
    ("number", "sub_order"),
    news={"return.expected": "What did not reach the buyer comes back."},
    tone="warning",
    icon="assignment_return",
)
NOT_EXPECTED = event(
    "return_not_expected",
    _("The buyer took the goods after all: return %(number)s is over."),
    ("number",),
    tone="muted",
    icon="undo",
)
REDIRECTED = event(
    "return_redirected",
    _("The goods of return %(number)s go to warehouse %(warehouse)s."),
    ("number", "warehouse"),
    tone="info",
    icon="alt_route",
)
ON_ITS_WAY = event(
    "return_on_its_way",
    _("The goods of return %(number)s are on their way back: %(carrier)s %(waybill)s."),
    ("number", "carrier", "waybill"),
    news={"return.in_transit": "A carrier has the goods."},
    tone="info",
    icon="local_shipping",
    for_buyer=True,
)
PARCEL_SCANNED = event(
    "return_parcel_scanned",
    words.tell_scanned,
    ("number", "waybill", "state", "text", "location"),
    tone="info",
    icon="local_shipping",
    for_buyer=True,
)
ARRIVED = event(
    "return_arrived",
    _("The carrier says that parcel %(waybill)s of return %(number)s was delivered at the warehouse."),
    ("number", "waybill"),
    news={"return.arrived": "Its carrier delivered it; the warehouse did not say yet that it is there."},
    tone="info",
    icon="move_to_inbox",
    for_buyer=True,
)
WAY_BACK_COST = event(
    "return_way_back_cost",
    words.tell_way_back,
    ("number", "bearer", "cost"),
    tone="muted",
    icon="payments",
)
RECEIVED = event(
    "return_received",
    _("The goods of return %(number)s reached warehouse %(warehouse)s."),
    ("number", "warehouse"),
    news={"return.received": "The goods reached a warehouse."},
    tone="info",
    icon="move_to_inbox",
    for_buyer=True,
)
PARTLY_INSPECTED = event(
    "return_partly_inspected",
    words.tell_partly_inspected,
    ("number", "found"),
    tone="info",
    icon="fact_check",
)
INSPECTED = event(
    "return_inspected",
    words.tell_inspected,
    ("number", "found"),
    news={"return.inspected": "The goods were inspected, unit by unit."},
    tone="info",
    icon="fact_check",
    for_buyer=True,
)
MONEY_DUE = event(
    "return_money_due",
    _("The money of return %(number)s goes back before its goods are inspected."),
    ("number",),
    tone="info",
    icon="payments",
)
NOT_PAID = event(
    "return_not_paid",
    _("No money goes back for return %(number)s: %(why)s"),
    ("number", "why"),
    news={"return.not_paid": "It gives no money back."},
    tone="danger",
    icon="money_off",
)
REPAIRED = event(
    "return_repaired",
    _("The goods of return %(number)s were repaired and sent back: %(waybill)s."),
    ("number", "waybill"),
    news={"return.repaired": "The repaired goods are on their way to the buyer."},
    tone="success",
    icon="build",
    for_buyer=True,
)
NOT_REPAIRED = event(
    "return_not_repaired",
    words.tell_not_repaired,
    ("number", "instead", "why"),
    news={"return.not_repaired": "It cannot be repaired; money or the same goods anew take its place."},
    tone="warning",
    icon="build",
    for_buyer=True,
)
CLOSED = event(
    "return_closed",
    _("Return %(number)s is closed."),
    ("number",),
    news={"return.closed": "Goods and money are settled."},
    tone="success",
    icon="task_alt",
    for_buyer=True,
)
EXCHANGE_BEGUN = event(
    "exchange_begun",
    words.tell_exchanged,
    ("number", "order", "units", "credit", "to_pay", "leaves"),
    news={"return.exchanged": "An order of new goods was made for it."},
    tone="info",
    icon="swap_horiz",
    for_buyer=True,
)
EXCHANGES = event(
    "exchanges",
    _("It sends goods in exchange for those of return %(number)s of order %(order)s."),
    ("number", "order"),
    tone="info",
    icon="swap_horiz",
)
EXCHANGE_ENDED = event(
    "exchange_ended",
    words.tell_exchange_ended,
    ("number", "why"),
    news={"return.exchange_ended": "Its exchange was given up; if goods come back, their money does."},
    tone="warning",
    icon="undo",
    for_buyer=True,
)
EXCHANGE_SETTLED = event(
    "exchange_settled",
    _("Of the goods of return %(number)s ¥%(amount)s pay for order %(order)s by now."),
    ("number", "amount", "order"),
    tone="success",
    icon="balance",
)
EXCHANGE_WRITTEN_OFF = event(
    "exchange_written_off",
    _("What the exchange of return %(number)s left unpaid is written off: ¥%(amount)s (%(why)s)."),
    None,
    private=("number", "amount", "why"),
    tone="warning",
    icon="money_off",
)
