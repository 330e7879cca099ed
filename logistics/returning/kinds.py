"""The kinds of timeline events about couriers who fetch returned goods at the door; see `orders.kinds`."""

from django.utils.translation import gettext_lazy as _

from orders.kinds import event

_PICK_UP = ("number", "carrier", "window", "text")

PICK_UP_BOOKED = event(
    "return_pick_up_booked",
    _("%(carrier)s fetches the goods of return %(number)s at the door: %(window)s."),
    _PICK_UP,
    news={"return.pick_up_booked": "A courier comes for the goods."},
    tone="info",
    icon="hail",
    for_buyer=True,
)
PICK_UP_FAILED = event(
    "return_pick_up_failed",
    _("%(carrier)s sends no courier for return %(number)s (%(window)s): %(text)s"),
    _PICK_UP,
    news={"return.pick_up_failed": "No courier comes for the goods."},
    tone="warning",
    icon="event_busy",
    for_buyer=True,
)
PICK_UP_MISSED = event(
    "return_pick_up_missed",
    _("Nobody fetched the goods of return %(number)s in the window %(window)s."),
    _PICK_UP,
    news={"return.pick_up_missed": "No courier met the buyer in the window."},
    tone="warning",
    icon="event_busy",
    for_buyer=True,
)
PICK_UP_CALLED_OFF = event(
    "return_pick_up_called_off",
    _("The courier for return %(number)s (%(window)s) was called off."),
    _PICK_UP,
    tone="muted",
    icon="event_busy",
    for_buyer=True,
)
