"""What can happen to an order: the one table of the kinds of timeline events.

A kind says how staff read it, what merchants may read of it and are told by webhooks, whether the buyer sees it, and
how it looks. Apps above have a `kinds.py` of their own, which adds theirs by the same call; all are loaded when the
site starts. The database takes no event of a kind that is in none of them (`orders.telling.events`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from oms.merchants.webhooks import endpoints
from orders.models import OrderEvent
from orders.reviewing import words
from orders.telling import story

Tone = Literal["muted", "info", "success", "warning", "danger"]
# What news can be about; a type of news begins with it, as in `order.split`.
SUBJECTS = frozenset({"order", "payment", "refund", "invoice", "sub_order", "shipment", "settlement", "return"})


@dataclass(frozen=True, slots=True)
class EventKind:
    """A kind of timeline event; as text it is its code.

    `sentence` is what staff read: with placeholders for the event's data, or a function of the data. `public` names the
    data that merchants read, None hides such events from them; `private` names the data that only staff read. An event
    that `moves` tells the state that an order or sub-order came from and went to. `news` are the types of webhooks that
    tell it, each with its meaning. `tone` and `icon` (of Material Symbols) are how it looks.
    """

    code: str
    sentence: Promise | Callable[[story.Data], str]
    public: frozenset[str] | None
    private: frozenset[str]
    moves: Literal["order", "sub_order"] | None
    news: Mapping[str, str]
    tone: Tone
    icon: str
    for_buyer: bool

    def __str__(self) -> str:
        return self.code

    @property
    def fields(self) -> frozenset[str]:
        """All data that such an event may have."""
        return self.private | (self.public or frozenset())

    def tell(self, data: Mapping[str, Any]) -> str:
        """What an event with this data says, in the active language. What the data lacks shows as a dash."""
        if callable(self.sentence):
            return self.sentence(story.Data(data))
        return story.fill(self.sentence, data)


_known: dict[str, EventKind] = {}


def event(
    code: str,
    sentence: Any,
    public: Iterable[str] | None,
    *,
    tone: Tone,
    icon: str,
    private: Iterable[str] = (),
    moves: Literal["order", "sub_order"] | None = None,
    news: Mapping[str, str] | None = None,
    for_buyer: bool = False,
) -> EventKind:
    """Add a kind of event to the table; see EventKind. Raises ValueError for a code that is taken, and for news of a
    subject that nobody can be told of."""
    if code in _known:
        raise ValueError(f"two kinds of events are called {code}")
    strange = {kind for kind in news or {} if kind.partition(".")[0] not in SUBJECTS}
    if strange:
        raise ValueError(f"news of {code} must be about one of {', '.join(sorted(SUBJECTS))}, not {strange}")
    shown = None if public is None else frozenset(public)
    kind = EventKind(code, sentence, shown, frozenset(private), moves, dict(news or {}), tone, icon, for_buyer)
    endpoints.register_types(kind.news)
    _known[code] = kind
    return kind


def known() -> Mapping[str, EventKind]:
    """Every kind of every app, by code."""
    return _known


def hidden_from_merchants() -> list[str]:
    """The codes of events that merchants do not see."""
    return [kind.code for kind in _known.values() if kind.public is None]


def tell(event: OrderEvent) -> str:
    """What the event says, in the active language. One of a kind that is no longer known shows its code and data."""
    kind = _known.get(event.kind)
    return kind.tell(event.data or {}) if kind else story.tell_unknown(event.kind, event.data)


# --- Orders

RECEIVED = event(
    "received",
    _("The order was received."),
    (),
    moves="order",
    news={"order.created": "The order was stored."},
    tone="info",
    icon="inbox",
)
IMPORTED = event("imported", _("The order was imported as it ended elsewhere."), (), tone="muted", icon="history")
REVIEW_STARTED = event(
    "review_started",
    _("Paid for; the review begins."),
    (),
    moves="order",
    news={"order.in_review": "Paid for; the review begins."},
    tone="info",
    icon="policy",
)
HELD = event(
    "held",
    words.tell_held,
    (),
    private=("hold", "reason", "rule", "details"),
    news={"order.held": "A hold was opened: the order may not go on."},
    tone="danger",
    icon="front_hand",
)
CARRIER_WISHED = event(
    "carrier_wished",
    words.tell_carrier,
    ("carrier",),
    private=("before",),
    tone="info",
    icon="local_shipping",
)
WAREHOUSE_WISHED = event(
    "warehouse_wished",
    words.tell_warehouse,
    ("warehouse",),
    private=("before",),
    tone="info",
    icon="warehouse",
)
TAKEN_BACK = event(
    "taken_back",
    words.tell_taken_back,
    None,
    private=("action", "reason"),
    tone="info",
    icon="undo",
)
NOT_DONE = event(
    "not_done",
    words.tell_not_done,
    None,
    private=("action", "reason"),
    tone="danger",
    icon="error",
)
HOLD_RELEASED = event(
    "hold_released",
    words.tell_release,
    (),
    private=("hold", "reason", "rule", "details", "note"),
    news={"order.hold_released": "A hold was released."},
    tone="info",
    icon="lock_open",
)
UNMATCHED = event(
    "unmatched",
    words.tell_held,
    ("details",),
    private=("hold", "reason"),
    news={"order.held": "Nobody has matched codes of its goods to SKUs: the order may not go on."},
    tone="danger",
    icon="question_mark",
)
MATCHED = event(
    "matched",
    story.tell_matched,
    ("matches",),
    news={"order.hold_released": "The codes of its goods were matched."},
    tone="info",
    icon="join",
)
APPROVED = event(
    "approved",
    _("The review found nothing more to hold; the order may be split."),
    (),
    moves="order",
    news={"order.approved": "The review is over; it may be split."},
    tone="info",
    icon="fact_check",
)
SPLIT = event(
    "split",
    story.tell_split,
    ("parts",),
    moves="order",
    news={
        "order.split": "It became sub-orders.",
        "order.apportioned": "Its amounts are shared among sub-orders, lines and units: `lines` has the shares.",
        "sub_order.created": "It came to be, by splitting the order.",
    },
    tone="info",
    icon="call_split",
)
COMPLETED = event(
    "completed",
    _("The order is completed."),
    (),
    moves="order",
    news={"order.completed": "All that was not cancelled is completed."},
    tone="success",
    icon="task_alt",
)
CLOSED = event(
    "closed",
    _("The order is closed: everything was refused or came back."),
    (),
    moves="order",
    news={"order.closed": "Everything was refused or came back."},
    tone="warning",
    icon="inventory",
)
CANCELLED = event(
    "cancelled",
    story.tell_cancellation,
    ("reason", "cause"),
    moves="order",
    news={"order.cancelled": "It was cancelled."},
    tone="danger",
    icon="block",
)
CANCEL_REQUESTED = event(
    "cancel_requested",
    story.tell_cancel_request,
    ("reason", "cause", "numbers"),
    private=("tells_buyer",),
    news={"order.cancel_requested": "The warehouses are asked to stop."},
    tone="warning",
    icon="do_not_disturb_on",
)
CANCEL_GRANTED = event(
    "cancel_granted",
    _("The warehouses stopped everything that was to be cancelled: %(numbers)s."),
    ("numbers",),
    news={"order.cancel_granted": "The warehouses stopped everything; it is cancelled."},
    tone="info",
    icon="task_alt",
)
CANCEL_NOT_GRANTED = event(
    "cancel_not_granted",
    _("The order goes on: not everything could be stopped (%(numbers)s)."),
    ("numbers",),
    news={"order.cancel_refused": "A warehouse could not stop its part: the order goes on with what is left."},
    tone="danger",
    icon="running_with_errors",
)
UNITS_CANCELLED = event(
    "units_cancelled", story.tell_units, ("reason", "cause", "units"), tone="warning", icon="remove_shopping_cart"
)
RECIPIENT_CHANGED = event(
    "recipient_changed", story.tell_recipient, ("fields",), tone="warning", icon="edit_location_alt"
)
REVEALED = event("revealed", story.tell_revealed, None, private=("reason", "note"), tone="muted", icon="visibility")
MARKED = event("marked", story.tell_marks, ("flag",), tone="muted", icon="flag")
METADATA_CHANGED = event(
    "metadata_changed", _("Metadata was changed: %(keys)s."), ("keys",), tone="muted", icon="label"
)
_OF_NOTES = ("colour", "tag", "called")
NOTE = event("note", _("Note: %(text)s"), None, private=("text", *_OF_NOTES), tone="muted", icon="edit_note")
SHARED_NOTE = event(
    "shared_note", _("Note for the merchant: %(text)s"), ("text",), private=_OF_NOTES, tone="muted", icon="edit_note"
)
MERCHANT_NOTE = event(
    "merchant_note", _("Note of the merchant: %(text)s"), ("text",), tone="muted", icon="sticky_note_2"
)
CONTACTED = event(
    "contacted", story.tell_contacted, None, private=("way", "text", "is_reached"), tone="muted", icon="call"
)
MESSAGED = event(
    "messaged", story.tell_messaged, None, private=("message", "way", "to", "words"), tone="muted", icon="outgoing_mail"
)
# What people wrote: it stands above the rest of the story.
NOTES = (NOTE, SHARED_NOTE, MERCHANT_NOTE, CONTACTED, MESSAGED)
RETRIED = event(
    "retried",
    _("%(number)s was given back to its stage to try again."),
    None,
    private=("number", "error"),
    tone="muted",
    icon="refresh",
)

# --- Sub-orders

PARTED = event(
    "parted",
    story.tell_parted,
    ("number", "parts", "short"),
    private=("why",),
    news={"sub_order.created": "It was split off another one for a shortage."},
    tone="info",
    icon="call_split",
)
COMPANY_STOPPED = event(
    "company_stopped",
    _("Sub-order %(number)s was taken from warehouse %(warehouse)s: the parcel that it shared was stopped."),
    ("number", "warehouse"),
    moves="sub_order",
    tone="warning",
    icon="move_up",
)
ALLOCATED = event(
    "allocated",
    _("Sub-order %(number)s: warehouse %(warehouse)s was chosen and the stock reserved."),
    ("number", "warehouse"),
    moves="sub_order",
    news={"sub_order.allocated": "A warehouse was chosen and the stock reserved."},
    tone="info",
    icon="warehouse",
)
GOODS_EXPECTED = event(
    "goods_expected",
    _("The goods that sub-order %(number)s waits for are on order and should come on %(day)s."),
    ("number", "day", "warehouse"),
    news={"sub_order.goods_expected": "The goods that it waits for are on order."},
    tone="info",
    icon="event",
)
GOODS_DAY_MOVED = event(
    "goods_day_moved",
    story.tell_goods_day,
    ("number", "day", "before", "warehouse"),
    news={"sub_order.goods_expected": "They should come on another day."},
    tone="warning",
    icon="event_busy",
)
BACKORDERED = event(
    "backordered",
    story.tell_shortage,
    ("number", "short", "warehouse"),
    moves="sub_order",
    news={"sub_order.backordered": "It waits for stock."},
    tone="warning",
    icon="hourglass_empty",
)
SOURCED_ANEW = event(
    "sourced_anew",
    _("Sub-order %(number)s goes to another region: its warehouse is chosen anew."),
    ("number", "warehouse"),
    moves="sub_order",
    tone="warning",
    icon="alt_route",
)
MOVED_AWAY = event(
    "moved_away",
    _("Sub-order %(number)s was taken from warehouse %(warehouse)s: another one is chosen."),
    ("number", "warehouse"),
    # The decision that brought it there, as `SubOrder.sourcing` had it.
    private=("sourcing",),
    moves="sub_order",
    tone="warning",
    icon="move_up",
)
MOVE_ASKED = event(
    "move_asked",
    _("Warehouse %(warehouse)s is asked to give sub-order %(number)s up, so that another one sends it."),
    ("number", "warehouse"),
    tone="warning",
    icon="move_up",
)
MOVE_REFUSED = event(
    "move_refused",
    _("Warehouse %(warehouse)s does not give sub-order %(number)s up: it stays there."),
    ("number", "warehouse"),
    tone="warning",
    icon="block",
)
SUB_ORDER_CANCELLED = event(
    "sub_order_cancelled",
    _("Sub-order %(number)s was cancelled."),
    ("number", "warehouse"),
    moves="sub_order",
    news={"sub_order.cancelled": "It was cancelled."},
    tone="danger",
    icon="block",
)
CANCEL_REFUSED = event(
    "cancel_refused",
    _("The warehouse could not stop sub-order %(number)s any more."),
    ("number", "warehouse"),
    private=("text",),
    tone="danger",
    icon="running_with_errors",
)
RECEIPT_CONFIRMED = event(
    "receipt_confirmed",
    _("The buyer confirmed the receipt of sub-order %(number)s."),
    ("number", "warehouse"),
    tone="success",
    icon="thumb_up",
)
RECEIPT_NOT_CONFIRMED = event(
    "receipt_not_confirmed",
    _("The merchant says that the buyer has not confirmed the receipt."),
    (),
    tone="warning",
    icon="thumb_down",
)
SUB_ORDER_COMPLETED = event(
    "sub_order_completed",
    _("Sub-order %(number)s is completed."),
    ("number", "warehouse"),
    moves="sub_order",
    news={"sub_order.completed": "Its receipt is certain."},
    tone="success",
    icon="task_alt",
)
