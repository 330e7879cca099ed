"""The kinds of timeline events about changes of orders, merges, gifts and what is sent again; see `orders.kinds`."""

from django.utils.translation import gettext_lazy as _

from orders.kinds import event
from orders.telling import story

CHANGED = event(
    "changed",
    story.tell_changed,
    ("number", "reason", "units", "before", "after", "freight", "appointment", "what", "parts"),
    news={
        "order.changed": "Its goods, amounts or terms were changed: `change` says from what to what.",
        "sub_order.created": "It came to be, for goods that were added to the order.",
    },
    tone="warning",
    icon="edit_document",
)
CHANGE_WAITS = event(
    "change_waits",
    story.tell_change_waits,
    ("number", "amount", "pay_by"),
    news={"order.change_waits": "A change of it costs more: the buyer is asked for the balance first."},
    tone="warning",
    icon="hourglass_top",
)
CHANGE_ASKED = event(
    "change_asked",
    story.tell_change_asked,
    ("number", "warehouses", "due"),
    tone="warning",
    icon="edit_location_alt",
)
CHANGE_ENDED = event(
    "change_ended",
    story.tell_change_ended,
    ("number", "state"),
    news={"order.change_ended": "A change that waited for its payment is not carried out."},
    tone="danger",
    icon="event_busy",
)
MERGED = event(
    "merged",
    story.tell_merged,
    ("number", "others"),
    tone="info",
    icon="merge",
)
GIFT_GIVEN = event(
    "gift_given",
    _("%(units)s × %(sku)s is given along by rule “%(rule)s”: %(counted)s units for ¥%(amount)s count."),
    ("sku", "units"),
    private=("rule", "counted", "amount"),
    news={"order.gift_added": "A gift was added to its lines."},
    tone="success",
    icon="redeem",
)
GIFT_PROMISED = event(
    "gift_promised",
    _(
        "%(units)s × %(sku)s follows %(days)s days after completion, by rule “%(rule)s”: %(counted)s units for"
        " ¥%(amount)s count."
    ),
    ("sku", "units", "days"),
    private=("rule", "counted", "amount"),
    tone="success",
    icon="redeem",
)
GIFT_DROPPED = event(
    "gift_dropped", story.tell_gift_dropped, ("sku", "units", "why"), private=("rule",), tone="muted", icon="redeem"
)
REISSUED = event(
    "reissued",
    story.tell_reissued,
    ("number", "units", "reason"),
    private=("bearer", "note"),
    news={"order.reissued": "Some of its goods are sent again, as an order of their own."},
    tone="warning",
    icon="replay",
)
FOLLOWS = event(
    "follows",
    story.tell_follows,
    ("number", "reason"),
    private=("bearer", "note"),
    tone="info",
    icon="replay",
)
UNMERGED = event(
    "unmerged", story.tell_unmerged, ("number", "why"), private=("warehouse",), tone="muted", icon="call_split"
)
