"""What people must look at in warehouses: kinds of tickets, and their words."""

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from oms.common import tickets
from oms.common.models import Team

WAREHOUSE_REFUSED = tickets.register_kind(
    tickets.TicketKind(
        "warehouse_refused",
        _("Warehouse will not send it"),
        "sub_order",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=4),
        reasons={
            "refused": _("Warehouse %(warehouse)s refused %(number)s: %(text)s"),
            "dropped": _("Warehouse %(warehouse)s dropped %(number)s by itself: %(text)s"),
        },
        remedies=_(
            "Try again: another warehouse is chosen; or cancel it. Count the stock where the goods are missing."
        ),
    )
)
SHIPPED_SHORT = tickets.register_kind(
    tickets.TicketKind(
        "shipped_short",
        _("Warehouse sent too little"),
        "sub_order",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={
            "": _("Of %(number)s, warehouse %(warehouse)s did not send %(units)s units."),
            "unanswered": _(
                "Of %(number)s, warehouse %(warehouse)s does not say what became of %(units)s units, although it was"
                " asked. They count as not sent; find out whether they left."
            ),
        },
        remedies=_(
            "The rest is sourced elsewhere by itself. Count the stock in the warehouse; cancel the rest if need be."
        ),
    )
)
CONTRADICTION = tickets.register_kind(
    tickets.TicketKind(
        "warehouse_contradicts",
        _("Warehouse did something else"),
        "warehouse_order",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=2),
        reasons={
            "left_after_cancelled": _("%(number)s left warehouse %(warehouse)s although it was cancelled."),
            "left_after_refused": _("%(number)s left warehouse %(warehouse)s although the warehouse had refused it."),
            "packed_after_cancelled": _("Warehouse %(warehouse)s packed %(number)s although it was cancelled."),
            "packed_after_refused": _("Warehouse %(warehouse)s packed %(number)s although it had refused it."),
            "goes_on_after_cancelled": _(
                "%(number)s is cancelled, but warehouse %(warehouse)s cannot stop it: %(text)s"
            ),
            "goes_on_after_refused": _(
                "Warehouse %(warehouse)s had refused %(number)s, and cannot stop it now: %(text)s"
            ),
            "refused_after_packed": _("Warehouse %(warehouse)s refused %(number)s after it had packed it: %(text)s"),
            "stopped_after_left": _("Warehouse %(warehouse)s stopped %(number)s, which had left by all that we know."),
            "waybill_taken": _("Waybill %(waybill)s of %(number)s is that of another parcel, too."),
            "serial_left_before": _(
                "%(number)s has %(sku)s with the serial number %(serial)s, under which a unit left with %(before)s."
            ),
            "unknown_line": _("Warehouse %(warehouse)s packed lines that %(number)s does not have: %(lines)s."),
            "more_than_asked": _("Of %(number)s, %(units)s units more than asked for left warehouse %(warehouse)s."),
            "left_after_rest": _(
                "%(units)s more units of %(number)s left warehouse %(warehouse)s after it had said that they stay."
            ),
            "told": _("Of %(number)s, warehouse %(warehouse)s says: %(text)s"),
            "other_waybill": _(
                "The parcel of %(number)s carries waybill %(waybill)s; %(ours)s, which we bought, was not used."
            ),
        },
        remedies=_(
            "Let the warehouse unpack it, or the carrier stop it; else tell the buyer, who may keep it, pay or send it"
            " back. Try again what waits, once no second parcel would go out."
        ),
    )
)
UNBOOKED = tickets.register_kind(
    tickets.TicketKind(
        "stock_unbooked",
        _("Units left that the stock did not have"),
        "warehouse_order",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={
            "": _(
                "%(units)s units of %(number)s left warehouse %(warehouse)s, but are promised to others there: they"
                " were not taken out of the stock."
            )
        },
        remedies=_("Count the stock; what cannot be kept of the promises is sourced anew."),
    )
)
WAREHOUSE_LACKS = tickets.register_kind(
    tickets.TicketKind(
        "warehouse_lacks",
        _("Warehouse does not find goods"),
        "warehouse_order",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=2),
        reasons={
            "physical": _(
                "Warehouse %(warehouse)s does not find %(goods)s for %(number)s; as many units are frozen in the stock."
            ),
            "books": _("By the books of warehouse %(warehouse)s, %(goods)s are missing for %(number)s."),
        },
        remedies=_(
            "Cancel it there or move it to another warehouse, so that it is sourced anew; or wait until goods come."
            " Count the stock: then write the frozen units off, or free them."
        ),
        can_retry=False,
    )
)
