"""What people must look at about virtual goods: kinds of tickets, and their words."""

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from oms.common import tickets
from oms.common.models import Team

CODES_FEW = tickets.register_kind(
    tickets.TicketKind(
        "codes_few",
        _("Few codes are left for sale"),
        "stock",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=4),
        reasons={"": _("%(left)s codes of %(sku)s are left for sale in %(warehouse)s; the alert line is %(line)s.")},
        remedies=_("Import codes: above the line this closes by itself."),
        can_retry=False,
    )
)
SEEN_CODE_RETURNED = tickets.register_kind(
    tickets.TicketKind(
        "seen_code_returned",
        _("Money goes back for a code that was looked at"),
        "sub_order",
        team=Team.SERVICE,
        due_within=timedelta(hours=4),
        reasons={
            "": _("%(number)s was taken back after its code was looked at (%(at)s). The code is not for sale again."),
            "merchants": _("%(number)s was taken back; what it delivered came from its merchant."),
        },
        remedies=_("Have the code blocked by whoever issued it, if it can be; else the loss stands."),
        can_retry=False,
    )
)
DOES_NOT_WORK = tickets.register_kind(
    tickets.TicketKind(
        "good_does_not_work",
        _("The buyer says that a virtual good does not work"),
        "sub_order",
        team=Team.SERVICE,
        due_within=timedelta(hours=4),
        reasons={"": _("%(number)s is completed already; the buyer looked at it and says that it does not work.")},
        remedies=_(
            "Ask whoever issued the code whether it was used. Where it was not, send another one or give the money "
            "back, as far as the rules for goods that were looked at allow it."
        ),
        can_retry=False,
    )
)
