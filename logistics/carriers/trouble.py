"""What people must look at of parcels: kinds of tickets, and their words."""

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from logistics.carriers.refusing import OwnRefusal
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
            OwnRefusal.NO_COD_CARD: _(
                "%(number)s is paid on delivery, and the connection of %(carrier)s names no card to pay it to;"
                " there is no other carrier to ask."
            ),
            OwnRefusal.NO_COD_SERVICE: _(
                "%(number)s is paid on delivery, and the connection of %(carrier)s does not say by which service;"
                " there is no other carrier to ask."
            ),
            OwnRefusal.COD_IN_PARCELS: _(
                "%(number)s is paid on delivery and in several parcels, which %(carrier)s cannot collect over its"
                " connection; there is no other carrier to ask."
            ),
            OwnRefusal.NO_SENDER_PHONE: _(
                "The warehouse of %(number)s has no phone, which %(carrier)s wants of the sender, so it was not asked;"
                " there is no other carrier to ask."
            ),
            OwnRefusal.NO_STATION: _(
                "The address of %(number)s is in the area of no station of %(carrier)s;"
                " there is no other carrier to ask."
            ),
            "rules": _("By the rules no carrier fits %(number)s: %(text)s"),
        },
        remedies=_("Mend what the carrier names, or switch another carrier on; then try again on the parcel's page."),
    )
)
SENDER_WITHOUT_PHONE = tickets.register_kind(
    tickets.TicketKind(
        "sender_without_phone",
        _("Warehouse without a phone"),
        "warehouse",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=8),
        reasons={"": _("%(warehouse)s has no phone: of %(carriers)s no waybills can be bought for what leaves it.")},
        remedies=_("Enter a phone on the warehouse's page; what waits for it then goes on by itself."),
        can_retry=False,
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
WAYBILL_VOIDED = tickets.register_kind(
    tickets.TicketKind(
        "waybill_voided_too_late",
        _("Parcel left with a cancelled waybill"),
        "shipment",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=2),
        reasons={
            "": _("%(carrier)s cancelled waybill %(waybill)s as we asked, but %(number)s had left with it by then.")
        },
        remedies=_("Ask the carrier to carry it all the same, or to send it back; tell the buyer the new waybill."),
        can_retry=False,
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
WAYBILL_UNKNOWN = tickets.register_kind(
    tickets.TicketKind(
        "waybill_unknown",
        _("Carrier does not know the waybill"),
        "shipment",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={
            "": _("%(carrier)s was asked %(tries)s times and has no scan of %(waybill)s, which left: %(number)s.")
        },
        remedies=_("Ask warehouse and carrier whether it was handed over, and whether waybill and carrier are right."),
        can_retry=False,
    )
)
WAYBILL_KEPT = tickets.register_kind(
    tickets.TicketKind(
        "waybill_not_cancelled",
        _("Waybill could not be cancelled"),
        "waybill_errand",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={"": _("%(carrier)s does not take %(waybill)s of %(number)s back: “%(text)s”. It costs money.")},
        remedies=_("Ask the carrier to cancel it, or enter it in the claim on its bill."),
        can_retry=False,
    )
)
CARRIER_UNRECOGNISED = tickets.register_kind(
    tickets.TicketKind(
        "carrier_unrecognised",
        _("Nobody knows whose waybill it is"),
        "shipment",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={"": _("Waybill %(waybill)s came without its carrier. It may be of: %(carriers)s.")},
        remedies=_("Ask the warehouse who carries it, and let it report the waybill again with its carrier."),
        can_retry=False,
    )
)
SCAN_WORD_UNKNOWN = tickets.register_kind(
    tickets.TicketKind(
        "scan_word_unknown",
        _("Carriers' word that nobody knows"),
        "scan_word",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={"": _("%(protocol)s says %(code)s: “%(text)s”. Such scans are kept.")},
        remedies=_("Say on the word's page what it means; the scans that came with it count then."),
        can_retry=False,
    )
)
WAYBILLS_LOW = tickets.register_kind(
    tickets.TicketKind(
        "waybills_low",
        _("Few waybills are left"),
        "connection",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=8),
        reasons={"": _("Account %(account)s has less than %(least)s waybills: %(left)s.")},
        remedies=_("Buy waybills from the carrier's branch, or ask another carrier first."),
        can_retry=False,
    )
)
