"""What people must look at of parcels: kinds of tickets, and their words."""

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from oms.common import tickets
from oms.common.models import Team

NO_CARRIER = tickets.register_kind(
    tickets.TicketKind(
        "no_carrier_left",
        _("No carrier takes the parcel"),
        "shipment",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=2),
        reasons={
            "": _("%(carrier)s refused %(number)s, and there is no other to ask: %(text)s"),
            "rules": _("By the rules no carrier fits %(number)s: %(text)s"),
        },
        remedies=_("Mend what the carrier names, or switch another carrier on; then try again on the parcel's page."),
    )
)
CARRIER_UNKNOWN = tickets.register_kind(
    tickets.TicketKind(
        "carrier_unknown",
        _("Parcel with a carrier that we do not know"),
        "shipment",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={
            "": _("The warehouse gave waybill %(waybill)s of carrier %(carrier)s, which was added, switched off.")
        },
        remedies=_("Give the carrier its name and its connection, so that its scans are found."),
    )
)
WAYBILL_UNUSED = tickets.register_kind(
    tickets.TicketKind(
        "waybill_unused",
        _("Waybill that no parcel carries"),
        "shipment",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={"": _("%(carrier)s issued waybill %(waybill)s for %(number)s, which does not go with it any more.")},
        remedies=_("Cancel the waybill at the carrier."),
    )
)
PARCEL_LOST = tickets.register_kind(
    tickets.TicketKind(
        "parcel_lost",
        _("Parcel lost"),
        "shipment",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={"": _("%(carrier)s cannot find parcel %(waybill)s.")},
        remedies=_("Claim it from the carrier; send the goods again, or give the money back."),
    )
)
PARCEL_BACK = tickets.register_kind(
    tickets.TicketKind(
        "parcel_back_after_completion",
        _("Parcel came back after completion"),
        "shipment",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={"": _("Parcel %(waybill)s of %(carrier)s is back, but %(number)s was completed before.")},
        remedies=_("Look what came back, and tell the buyer. The money goes back by itself."),
    )
)
PARCELS_DIFFER = tickets.register_kind(
    tickets.TicketKind(
        "parcels_differ",
        _("Parcels of one sub-order ended differently"),
        "sub_order",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={"": _("Of the parcels of %(number)s some arrived, others did not: %(waybills)s.")},
        remedies=_("Give the money of what did not arrive back, or send it again."),
    )
)
