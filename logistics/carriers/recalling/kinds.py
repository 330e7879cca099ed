"""The kinds of timeline events about parcels that are asked back or elsewhere; see `orders.kinds`."""

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from logistics.models import RecallKind
from orders.kinds import event
from orders.telling import story


def _tell_recall(back: object, elsewhere: object) -> object:
    """A sentence for each of the two things that carriers are asked for."""

    def tell(data: story.Data) -> str:
        sentence = str(back if data["what"] == RecallKind.RETURN else elsewhere)
        parcel = data.get("waybill") or data["number"]
        return sentence % {"parcel": parcel, "why": _why(data), "reason": data.get("reason", "")}

    return tell


def _why(data: story.Data) -> str:
    texts = {
        "refused": gettext("the carrier does not do it"),
        "signed": gettext("it was signed for"),
        "lost": gettext("it is lost"),
        "came_back": gettext("it comes back"),
    }
    text = data.get("text")
    why = story.word(texts, str(data.get("why", "")))
    return f"{why} ({text})" if text and data.get("why") == "refused" else why


_RECALL_DATA = ("number", "waybill", "what")
RECALL_ASKED = event(
    "recall_asked",
    _tell_recall(
        _("The carrier is asked to send parcel %(parcel)s back: %(reason)s"),
        _("The carrier is asked to bring parcel %(parcel)s elsewhere: %(reason)s"),
    ),
    _RECALL_DATA,
    private=("reason",),
    news={"shipment.recall_asked": "The carrier is asked to send it back, or elsewhere."},
    tone="warning",
    icon="pan_tool",
)
RECALL_ACCEPTED = event(
    "recall_accepted",
    _tell_recall(
        _("The carrier tries to send parcel %(parcel)s back."), _("The carrier brings parcel %(parcel)s elsewhere.")
    ),
    _RECALL_DATA,
    private=("text",),
    news={"shipment.recall_accepted": "The carrier tries to send it back, or brings it elsewhere."},
    tone="info",
    icon="pan_tool",
)
RECALL_SUCCEEDED = event(
    "recall_succeeded",
    _tell_recall(
        _("Parcel %(parcel)s was stopped and comes back."), _("Parcel %(parcel)s arrived where it was sent instead.")
    ),
    _RECALL_DATA,
    private=("text",),
    news={"shipment.recall_succeeded": "It comes back, or arrived elsewhere, as was asked for."},
    tone="success",
    icon="u_turn_left",
)
RECALL_FAILED = event(
    "recall_failed",
    _tell_recall(
        _("Parcel %(parcel)s is not sent back: %(why)s."), _("Parcel %(parcel)s was not brought elsewhere: %(why)s.")
    ),
    (*_RECALL_DATA, "why"),
    private=("text",),
    news={"shipment.recall_failed": "It goes on: what was asked for was refused, or came too late."},
    tone="danger",
    icon="pan_tool",
)
