"""To whom and where parcels go, for those who bring them: what the order says, or where it was asked to go since."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from logistics.carriers.recalling import asking
from logistics.models import CourierParcel, Recall, RecallAnswer, RecallKind
from oms.common.masking import mask_name, mask_phone

_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Recipient:
    """Whom the courier meets."""

    name: str
    phone: str
    place: str
    address: str

    @property
    def masked(self) -> "Recipient":
        """What is shown before and after it is needed."""
        address = self.address[:_SHOWN] + "***" if self.address else ""
        return Recipient(mask_name(self.name), mask_phone(self.phone), self.place, address)


def of(parcel_ids: Collection[int]) -> Mapping[int, Recipient]:
    """By parcel. Two statements."""
    rows = CourierParcel.objects.filter(pk__in=parcel_ids)
    rows = rows.select_related("region", "shipment__sub_order__order__region")
    found, by_shipment = {}, {}
    for row in rows:
        order = row.shipment.sub_order.order
        found[row.pk] = Recipient(order.recipient_name, order.recipient_phone, str(row.region), order.recipient_address)
        by_shipment[row.shipment_id] = row.pk
    moved = Recall.objects.filter(
        shipment__in=by_shipment, kind=RecallKind.REDIRECT, answer=RecallAnswer.TAKEN, recipient__isnull=False
    )
    for recall in moved.order_by("id"):
        there = asking.destination_of(recall)
        if there is not None:
            place = "".join(dict.fromkeys([there.province, there.city, there.district]))
            found[by_shipment[recall.shipment_id]] = Recipient(there.name, there.phone, place, there.address)
    return found
