"""Warehouses without a phone: carriers whose protocols want one of the sender are not asked for their parcels, and a
person is told before any is asked for. Once there is one, what waited goes on."""

from django.db import transaction

from inventory.models import Warehouse
from logistics.carriers import adapters
from logistics.carriers.refusing import OwnRefusal
from logistics.carriers.trouble import NO_CARRIER, SENDER_WITHOUT_PHONE
from logistics.models import Carrier, CarrierAccount, Shipment, ShipmentState
from oms.common import stuck, tickets
from oms.common.models import Connection, Ticket
from oms.common.work import nudging

_BY = "watch_senders"
_AT_ONCE = 500


def watch() -> int:
    """Open a ticket for each warehouse that has no phone although parcels may go from there by carriers that want one;
    close those of warehouses that have one now, and let their parcels go on. Returns how many have none."""
    missing = _without_phone()
    tickets.open_tickets(
        SENDER_WITHOUT_PHONE,
        [tickets.Trouble(key, "", values) for key, values in missing.items()],
        opened_by=_BY,
    )
    told = Ticket.objects.open().filter(kind=SENDER_WITHOUT_PHONE.code).values_list("subject_id", flat=True)
    tickets.close_tickets([SENDER_WITHOUT_PHONE], set(told) - missing.keys())
    _go_on()
    return len(missing)


def _without_phone() -> dict[int, dict[str, str]]:
    """Warehouses (ids) with what is said of them."""
    protocols = adapters.protocols_of(adapters.WantsSenderPhone)
    links = Connection.objects.filter(protocol__in=protocols, is_active=True)
    over = CarrierAccount.objects.filter(connection__in=links, is_active=True).values("carrier")
    carriers = Carrier.objects.filter(is_active=True)
    names = (carriers.filter(connection__in=links) | carriers.filter(pk__in=over)).order_by("priority", "code")
    wanting = ", ".join(dict.fromkeys(names.values_list("name", flat=True)))
    if not wanting:
        return {}
    places = Warehouse.objects.filter(contact_phone="", is_active=True, merchant__sandbox_of=None)
    places = places.exclude(waybill_when=Warehouse.WaybillWhen.OWN).exclude(kind=Warehouse.Kind.VIRTUAL)
    return {
        key: {"warehouse": f"{code} {name}", "carriers": wanting[:300]}
        for key, code, name in places.order_by("pk").values_list("pk", "code", "name")
    }


@transaction.atomic
def _go_on() -> None:
    """Parcels that wait for nothing else are tried again."""
    waiting = Shipment.objects.filter(
        state=ShipmentState.CREATED, needs_person_since__isnull=False, last_error=OwnRefusal.NO_SENDER_PHONE
    )
    rows = waiting.exclude(warehouse_order__warehouse__contact_phone="").order_by("pk")
    keys = list(rows.select_for_update(no_key=True, of=("self",)).values_list("pk", flat=True)[:_AT_ONCE])
    tickets.close_tickets([NO_CARRIER], keys)
    for key in keys:
        stuck.give_back(Shipment, key, by=_BY)
    if keys:
        nudging.nudge("choose_carrier", "dispatch")
