"""What of returns needs a person."""

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from oms.common import tickets
from oms.common.models import Team

RETURN_TO_DECIDE = tickets.register_kind(
    tickets.TicketKind(
        "return_to_decide",
        _("A return waits for a decision"),
        "return",
        team=Team.SERVICE,
        due_within=timedelta(hours=24),
        reasons={
            "": _("Return %(number)s was not decided in time, and is outside the terms: nobody approved it by itself."),
            "escalated": _("The buyer does not agree that return %(number)s was declined: %(why)s"),
        },
        remedies=_("Look at the return with the merchant, and approve it or decline it with the reason."),
        can_retry=False,
    )
)
RETURN_TO_INSPECT = tickets.register_kind(
    tickets.TicketKind(
        "return_to_inspect",
        _("Returned goods wait for inspection"),
        "return",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={"": _("The goods of return %(number)s are there and were not inspected in time.")},
        remedies=_("Inspect the goods, unit by unit, on the return's page: the buyer waits for the money."),
        can_retry=False,
    )
)
RETURN_ARRIVED = tickets.register_kind(
    tickets.TicketKind(
        "return_arrived",
        _("A parcel on its way back is at the warehouse"),
        "return",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={
            "": _("The carrier delivered parcel %(waybill)s of return %(number)s. Nobody said yet that it is there."),
        },
        remedies=_("Look for the parcel, say on the return's page that the goods are here, and inspect them."),
        can_retry=False,
    )
)
RETURN_LOST = tickets.register_kind(
    tickets.TicketKind(
        "return_lost",
        _("A parcel on its way back does not arrive"),
        "return",
        team=Team.SERVICE,
        due_within=timedelta(hours=24),
        reasons={
            "lost": _("The carrier lost parcel %(waybill)s of return %(number)s."),
            "went_back": _("Parcel %(waybill)s of return %(number)s went back to the buyer."),
            "waybill_taken": _(
                "Waybill %(waybill)s of return %(number)s is that of another parcel: it is not followed."
            ),
        },
        remedies=_(
            "Talk to the buyer and the carrier: put the waybill right, pay without the goods, or close the return."
        ),
        can_retry=False,
    )
)
RETURN_DIFFERS = tickets.register_kind(
    tickets.TicketKind(
        "return_differs",
        _("Other goods came back than announced"),
        "return",
        team=Team.SERVICE,
        due_within=timedelta(hours=24),
        reasons={
            "": _("Of return %(number)s units are missing (%(missing)s) or others than announced (%(wrong)s)."),
            "paid": _(
                "Of return %(number)s units are missing (%(missing)s) or others than announced (%(wrong)s), and the"
                " money was granted before."
            ),
        },
        remedies=_("Talk to the buyer. Units that turn up later are a return of their own."),
        can_retry=False,
    )
)
REPAIR_TO_SEND = tickets.register_kind(
    tickets.TicketKind(
        "repair_to_send",
        _("Goods to repair"),
        "return",
        team=Team.LOGISTICS,
        due_within=timedelta(days=5),
        reasons={"": _("The goods of return %(number)s are to be repaired and sent back to the buyer.")},
        remedies=_("Repair them, send them, and write the waybill on the return's page."),
        can_retry=False,
    )
)
STRAY_PARCEL = tickets.register_kind(
    tickets.TicketKind(
        "stray_parcel",
        _("A parcel that nobody knows"),
        "stray",
        team=Team.SERVICE,
        due_within=timedelta(days=2),
        reasons={"": _("Parcel %(waybill)s at warehouse %(warehouse)s, units: %(units)s: nobody knows of what order.")},
        remedies=_("Look on its page at what it may be of, and match it with a return or an order."),
        can_retry=False,
    )
)
# Those about a return.
ALL = (RETURN_TO_DECIDE, RETURN_TO_INSPECT, RETURN_ARRIVED, RETURN_LOST, RETURN_DIFFERS, REPAIR_TO_SEND)
