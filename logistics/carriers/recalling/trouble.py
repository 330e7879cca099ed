"""What people must look at of recalls: kinds of tickets, and their words."""

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from oms.common import tickets
from oms.common.models import Team

REFUSED, SIGNED, LOST, CAME_BACK = "refused", "signed", "lost", "came_back"
FAILED = tickets.register_kind(
    tickets.TicketKind(
        "recall_failed",
        _("A parcel goes on that was asked back or elsewhere"),
        "recall",
        team=Team.SERVICE,
        due_within=timedelta(hours=8),
        reasons={
            REFUSED: _("%(carrier)s does not do it with parcel %(waybill)s: %(text)s"),
            SIGNED: _("Parcel %(waybill)s of %(carrier)s was signed for all the same."),
            LOST: _("%(carrier)s cannot find parcel %(waybill)s."),
            CAME_BACK: _("Parcel %(waybill)s of %(carrier)s comes back instead of going elsewhere."),
        },
        remedies=_("Tell whoever asked for it. The parcel goes on; the buyer may refuse it, or send it back."),
        can_retry=False,
    )
)
LATE = tickets.register_kind(
    tickets.TicketKind(
        "recall_late",
        _("Nobody knows what becomes of a parcel that was asked back or elsewhere"),
        "recall",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=4),
        reasons={"": _("%(carrier)s was asked at %(at)s about parcel %(waybill)s, and no news came since.")},
        remedies=_("Ring the carrier. The ticket closes once it answers or the parcel is scanned."),
        can_retry=False,
    )
)
