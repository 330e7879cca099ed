"""What people must look at on an order's way: kinds of tickets, and their words."""

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from oms.common import tickets

NOBODY_ELSE = tickets.register_kind(
    tickets.TicketKind(
        "nobody_else_sends",
        _("No other warehouse can send it"),
        "sub_order",
        team="logistics",
        due_within=timedelta(hours=4),
        reasons={
            "none_left": _("%(warehouses)s refused %(number)s, and no other warehouse serves the buyer."),
            "others_short": _("%(warehouses)s refused %(number)s, and the other warehouses lack %(short)s."),
        },
        remedies=_(
            "Bring the goods to another warehouse: then it goes on by itself. Or cancel it, wholly or in part, after"
            " talking to the buyer."
        ),
    )
)
RULE_HOLDS = tickets.register_kind(
    tickets.TicketKind(
        "sourcing_rule_holds",
        _("A sourcing rule asks a person"),
        "sub_order",
        team="logistics",
        due_within=timedelta(hours=4),
        reasons={"": _("The warehouses that the rules ask lack %(short)s of %(number)s; the rule sends nothing then.")},
        remedies=_(
            "Bring the goods to a warehouse, or choose one that has them, and try again; or cancel it after talking to"
            " the buyer."
        ),
    )
)
APPOINTMENT_FULL = tickets.register_kind(
    tickets.TicketKind(
        "appointment_full",
        _("No room in the hours that the buyer wants"),
        "sub_order",
        team="service",
        due_within=timedelta(hours=4),
        reasons={
            "": _("The buyer wants %(number)s from %(begins)s to %(ends)s, when %(warehouse)s has no room left."),
        },
        remedies=_(
            "Agree on other hours with the buyer and change the appointment of the order, or make room in these on the"
            " page of capacity. It closes by itself once there is a place for it."
        ),
        can_retry=False,
    )
)
CANCELLATION_UNANSWERED = tickets.register_kind(
    tickets.TicketKind(
        "cancellation_unanswered",
        _("No answer to a cancellation"),
        "order",
        team="logistics",
        due_within=timedelta(hours=2),
        reasons={"": _("No answer yet whether %(numbers)s can be stopped. The merchant waits for it.")},
        remedies=_("Ring the warehouse. It is asked again by itself; what it says or does closes this."),
        can_retry=False,
    )
)
RECEIPT_DENIED = tickets.register_kind(
    tickets.TicketKind(
        "receipt_denied",
        _("The buyer says that it did not come"),
        "sub_order",
        team="service",
        due_within=timedelta(hours=4),
        reasons={"": _("%(number)s counts as delivered, but the buyer does not confirm that it came.")},
        remedies=_(
            "Find out where it is: ask the carrier, and the buyer. It is not completed by itself meanwhile. Where it"
            " came after all, let it be completed; the merchant's confirmation does so, too. Where it is lost, agree"
            " with the buyer on money or goods first."
        ),
        retry_title=_("Let it be completed"),
    )
)
