"""A new address of what warehouses have already: no protocol takes one, so they are asked to give the goods up.

Once all of them did, the recipient is changed and the goods are sent anew. Until then the order is held, and where one
refuses, nothing is changed and a person is called.
"""

from collections.abc import Sequence
from datetime import timedelta

from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.models import Shipment
from logistics.warehouses import moving_away
from oms.common import tickets
from oms.common.models import Team
from oms.common.tickets import TicketKind, Trouble, register_kind
from oms.common.work import nudging
from oms.common.work.claiming import Stage
from orders.actors import Actor, job
from orders.changing import askers, kinds, readdressing
from orders.changing.askers import Asked, Asker
from orders.changing.cancellation import patience
from orders.changing.readdressing import CannotReaddress, Recipient
from orders.changing.sets import drafting
from orders.fulfilling import moving
from orders.locking import lock_order, lock_orders, lock_sub_orders
from orders.models import ChangeSet, ChangeSetState, Order, SubOrder, SubOrderState
from orders.models.sub_order import IN_WAREHOUSE, LEFT_WAREHOUSE
from orders.telling import timeline

NAME = "new_address"

ADDRESS_REFUSED = register_kind(
    TicketKind(
        "new_address_refused",
        gettext_lazy("A new address came too late"),
        tickets.ABOUT,
        team=Team.SERVICE,
        due_within=timedelta(hours=2),
        reasons={
            "": gettext_lazy("Change %(number)s: a warehouse did not give its part up, so it goes to the old address."),
            "late": gettext_lazy("Change %(number)s: a warehouse should have answered by now, and did not."),
        },
        remedies=gettext_lazy(
            "Ring the warehouse. Once the parcel has left, ask the carrier to bring it elsewhere (Stop or redirect"
            " parcels); tell the buyer, then close the ticket."
        ),
        can_retry=False,
    )
)
_ANSWERED = f"""
    FROM orders_changeset c WHERE c.state = '{ChangeSetState.AWAITING_WAREHOUSE}' AND NOT EXISTS (
        SELECT FROM orders_suborder s WHERE s.order_id = c.order_id AND s.moving_since IS NOT NULL)
"""
_LATE = f"""
    FROM orders_changeset c WHERE c.state = '{ChangeSetState.AWAITING_WAREHOUSE}' AND c.pay_by < now() AND NOT EXISTS (
        SELECT FROM common_ticket t WHERE t.kind = '{ADDRESS_REFUSED.code}' AND t.subject_id = c.order_id
          AND t.opened_at >= c.created_at)
"""


def who(order: Order, sub_orders: Sequence[SubOrder]) -> list[Asked]:
    """The warehouses that have a part of the order, and the carriers of what left. One statement, where some left."""
    until = timezone.now() + patience()
    found = [
        Asked(part.number, str(part.warehouse or ""), until)
        for part in sub_orders
        if part.state in IN_WAREHOUSE and not part.is_virtual
    ]
    left = [part.pk for part in sub_orders if part.state == SubOrderState.SHIPPED and not part.is_virtual]
    if left:
        parcels = Shipment.objects.filter(sub_order__in=left, left_at__isnull=False).select_related(
            "carrier", "sub_order"
        )
        for parcel in parcels.order_by("pk"):
            page = reverse("admin:logistics_shipment_recall", args=[parcel.pk])
            name = parcel.carrier.name if parcel.carrier else "–"
            found.append(Asked(parcel.sub_order.number, name, address=page))
    return found


@transaction.atomic
def ask(order_id: int, new: Recipient, reason: str, actor: Actor) -> None:
    """Ask every warehouse that has a part of the order to give it up, for a new recipient; old and new are kept sealed.

    Raises CannotReaddress where no warehouse has anything, or something was packed or left; WrongFields, CannotChange.
    """
    order = lock_order(order_id)
    parts = [part for part in lock_sub_orders(order_id) if not part.is_virtual]
    held = [part for part in parts if part.state in IN_WAREHOUSE]
    gone = [part for part in parts if part.state in (SubOrderState.PACKED, *LEFT_WAREHOUSE)]
    if gone:
        numbers = _(", ").join(part.number for part in gone)
        text = _("%(numbers)s cannot be given up any more: ask the carrier to bring its parcel elsewhere.")
        raise CannotReaddress(text % {"numbers": numbers})
    if not held:
        raise CannotReaddress(_("No warehouse has anything of the order: its recipient can be changed at once."))
    for part in held:
        if blocked := moving.obstacle(part):
            raise CannotReaddress(blocked)
    new = readdressing.checked(new, order.region_id)
    told = {name: getattr(new, name) for name in ("name", "phone", "region_code", "address")}
    wish = {"do": "recipient", **{name: value for name, value in told.items() if value is not None}}
    due = timezone.now() + patience()
    row = drafting.wait_for_warehouse(order, wish, reason=reason, due=due, actor=actor)
    old = {
        "name": order.recipient_name,
        "phone": order.recipient_phone,
        "region_code": order.region_id or "",
        "address": order.recipient_address,
    }
    changes = {
        name: (old[name], str(value)) for name, value in told.items() if value is not None and value != old[name]
    }
    houses = SubOrder.objects.filter(pk__in=[part.pk for part in held]).values_list("warehouse__code", flat=True)
    timeline.record(
        order_id,
        kinds.CHANGE_ASKED,
        actor,
        changes=changes,
        number=row.number,
        warehouses=sorted(set(houses)),
        due=due.isoformat(timespec="seconds"),
    )
    moving_away.ask_to_give_up([part.pk for part in held], actor)
    nudging.nudge("send_stop", NAME)


def run(limit: int) -> int:
    """Carry out up to `limit` changes whose warehouses answered, or let them fail; and call a person where an answer is
    late. Returns how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"SELECT c.order_id {_ANSWERED} ORDER BY c.pay_by LIMIT %s", [min(limit, 100)])
        locked = lock_orders([key for (key,) in cursor.fetchall()])
        cursor.execute(f"SELECT c.id {_ANSWERED} AND c.order_id = ANY(%s) ORDER BY c.id", [locked])
        for (key,) in cursor.fetchall():
            if not drafting.carry_out_given(key, actor=job(NAME)):
                _call([ChangeSet.objects.get(pk=key)], "")
        cursor.execute(f"SELECT c.id {_LATE} LIMIT %s", [limit])
        late = ChangeSet.objects.filter(pk__in=[key for (key,) in cursor.fetchall()])
        _call(list(late), "late")
    return len(locked)


def _call(rows: Sequence[ChangeSet], reason: str) -> None:
    troubles = [Trouble(row.order_id, reason, {"number": row.number}, row.order_id) for row in rows]
    tickets.open_tickets(ADDRESS_REFUSED, troubles, opened_by=NAME)


def backlog() -> str:
    """Changes whose warehouses answered, or should have."""
    return f"""
        SELECT c.created_at AS due, false AS needs_person {_ANSWERED}
        UNION ALL SELECT c.pay_by, false {_LATE} ORDER BY due
    """


STAGE = Stage(NAME, run, wakes=("allocate", "release"), backlog=backlog)
askers.register(Asker(who, ask))
