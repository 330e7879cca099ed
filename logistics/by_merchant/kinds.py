"""The kinds of timeline events about what merchants do with orders of their own warehouses; see `orders.kinds`."""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from logistics.warehouses.notices import Notice
from orders.kinds import event
from orders.telling import story

_ANSWERS: story.Words = {
    Notice.STOPPED: _("stopped"),
    Notice.NOT_STOPPED: _("too late to stop"),
    Notice.REFUSED: _("cannot be sent"),
}


def _tell_answer(data: story.Data) -> str:
    values = {"number": data["number"], "answer": story.word(_ANSWERS, data["answer"])}
    return gettext("The merchant answered about %(number)s: %(answer)s.") % values


SHIPPING_REPORTED = event(
    "shipping_reported",
    _("The merchant reported that %(number)s left: %(waybills)s."),
    ("number", "waybills"),
    tone="info",
    icon="local_shipping",
)
ANSWERED = event("merchant_answered", _tell_answer, ("number", "answer"), tone="info", icon="reply")
RECIPIENT_SHOWN = event(
    "recipient_shown",
    _("The merchant looked at the recipient of %(number)s."),
    ("number",),
    tone="muted",
    icon="visibility",
)
