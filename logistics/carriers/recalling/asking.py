"""Whether a parcel may be asked for, how likely it is caught, and writing the wish down for the stage that asks."""

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
from datetime import timedelta

from django.db import connection, transaction
from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory.models import Region
from logistics.carriers import adapters, consigning
from logistics.carriers.parcels import SUB_ORDERS_OF
from logistics.carriers.recalling import kinds
from logistics.models import MOVING, Recall, RecallKind, RecallState, Shipment, ShipmentState
from logistics.models.recall import OPEN_RECALL
from oms.common import phones, secrecy
from oms.common.copying import array
from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.masking import is_masked
from oms.common.models import Connection
from oms.common.work import clock, nudging
from oms.merchants import sandboxes
from orders.actors import Actor
from orders.changing import readdressing
from orders.changing.readdressing import Recipient
from orders.locking import lock_order
from orders.models import Order, SubOrder
from orders.telling import timeline

# By when it should be known what becomes of a parcel that was asked for.
PATIENCE = timedelta(hours=24)


class CannotRecall(OmsError):
    """The parcel did not leave yet, is over, is asked for already, or its carrier cannot be asked."""

    code = "cannot_recall"


@dataclass(frozen=True, slots=True)
class Destination:
    """Whom and where a parcel is to go instead."""

    name: str
    phone: str
    region_code: str
    province: str
    city: str
    district: str
    address: str


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the carrier is to be asked, by whom and why; of another way, where to, and what that changes."""

    kind: RecallKind
    reason: str
    actor: Actor
    there: Destination | None = None
    changes: dict[str, tuple[str, str]] | None = None


def account_of(shipment: Shipment) -> Connection | None:
    """Over which connection the parcel's carrier is asked: that of its waybill, else the carrier's own."""
    return shipment.connection or (shipment.carrier.connection if shipment.carrier else None)


def obstacle(shipment: Shipment, kind: RecallKind, *, is_asked: bool | None = None) -> str | None:
    """Why the parcel cannot be asked for, or None. `is_asked`: whether it is asked for already, where it is known."""
    if shipment.left_at is None or shipment.waybill_number is None:
        return _("It has not left its warehouse: cancel the order, or change its recipient, instead.")
    if shipment.state not in (ShipmentState.WAYBILL_ISSUED, *MOVING):
        return _("The parcel is not on its way any more: %(state)s.") % {"state": shipment.get_state_display()}
    if is_asked is None:
        is_asked = Recall.objects.filter(shipment=shipment, state__in=OPEN_RECALL).exists()
    if is_asked:
        return _("The carrier is asked already, and it is not known yet what becomes of it.")
    link = account_of(shipment)
    carrier = shipment.carrier.name if shipment.carrier else _("no carrier")
    phone = shipment.carrier.service_phone if shipment.carrier else ""
    if link is None or not _can(link, kind):
        return _("%(carrier)s cannot be asked for it over this connection; ring its service: %(phone)s") % {
            "carrier": carrier,
            "phone": phone or "–",
        }
    return None


def _can(link: Connection, kind: RecallKind) -> bool:
    try:
        if kind == RecallKind.RETURN:
            return adapters.intercepting(link) is not None
        return adapters.redirecting(link) is not None
    except LookupError:
        return False


def chance(shipment: Shipment) -> str:
    """How likely the parcel is caught, in words: by where it is, and by what came of those that were asked for there
    before."""
    words = {
        ShipmentState.WAYBILL_ISSUED: _("Likely: the carrier has not scanned it yet."),
        ShipmentState.COLLECTED: _("Likely: it is still near its warehouse."),
        ShipmentState.IN_TRANSIT: _("Possible: it is caught at the next hub that it reaches."),
        ShipmentState.OUT_FOR_DELIVERY: _("Unlikely: a courier has it, and many carriers refuse now."),
        ShipmentState.FAILED_DELIVERY: _("Likely: it waits at its branch."),
        ShipmentState.INTERCEPTING: _("Likely: the carrier stops it already."),
    }
    text = words.get(ShipmentState(shipment.state), "")
    ended = Recall.objects.filter(
        shipment__carrier=shipment.carrier_id, parcel_was=shipment.state, ended_at__isnull=False
    ).order_by()
    counts = ended.aggregate(all=Count("id"), caught=Count("id", filter=Q(state=RecallState.SUCCEEDED)))
    if counts["all"]:
        past = _("Of %(all)s parcels of this carrier that were asked for there, %(caught)s were caught.") % counts
        text = f"{text} {past}".strip()
    return text


@transaction.atomic
def ask_back(shipment_id: int, *, reason: str, actor: Actor, version: int | None = None) -> Recall:
    """Let the carrier be asked to send the parcel back, and with it what else is on its way of its consignment. When it
    comes back, its part of the order is returned and paid back as any parcel that comes back.

    Raises Shipment.DoesNotExist, CannotRecall, ChangedMeanwhile, and OmsError without a reason.
    """
    shipment, _order = _lock(shipment_id, version)
    return _write_all(shipment, _Wish(RecallKind.RETURN, reason, actor))


@transaction.atomic
def ask_elsewhere(shipment_id: int, new: Recipient, *, reason: str, actor: Actor, version: int | None = None) -> Recall:
    """Let the carrier be asked to bring the parcel, with what else is on its way of its consignment, to another
    recipient or place; what `new` leaves out stays. The order's recipient stays as it is: its other parcels go there.
    Old and new are kept sealed on the timeline.

    Raises as `ask_back`, and WrongFields naming what is wrong with the recipient.
    """
    shipment, order = _lock(shipment_id, version)
    new = readdressing.checked(new, order.region_id)
    region_code = new.region_code if new.region_code is not None else order.region_id
    region = Region.objects.filter(pk=region_code).first()
    old = {"name": order.recipient_name, "phone": order.recipient_phone, "address": order.recipient_address}
    if region is None:
        raise OmsError(_("Say in which region it is to be delivered."), attr="region_code")
    there = Destination(
        name=new.name if new.name is not None else order.recipient_name,
        phone=phones.compared(new.phone) if new.phone is not None else order.recipient_phone,
        region_code=region.pk,
        province=region.province,
        city=region.city,
        district=region.district,
        address=new.address if new.address is not None else order.recipient_address,
    )
    if any(map(is_masked, (there.name, there.phone, there.address))):
        raise OmsError(_("Write it out: with asterisks nobody can deliver."), attr="address")
    now = {"name": there.name, "phone": there.phone, "address": there.address}
    changes = {name: (old[name], now[name]) for name in now if old[name] != now[name]}
    if order.region_id != region.pk:
        changes["region"] = (str(order.region or ""), str(region))
    if not changes:
        raise OmsError(_("That is where it goes already."), attr="address")
    return _write_all(shipment, _Wish(RecallKind.REDIRECT, reason, actor, there, changes))


def _lock(shipment_id: int, version: int | None) -> tuple[Shipment, Order]:
    order_id = Shipment.objects.values_list("sub_order__order_id", flat=True).get(pk=shipment_id)
    order = lock_order(order_id)
    rows = Shipment.objects.select_related("carrier__connection", "connection")
    shipment = rows.select_for_update(no_key=True, of=("self",)).get(pk=shipment_id)
    if version is not None and shipment.version != version:
        raise ChangedMeanwhile(_("The parcel was scanned meanwhile. Look at it again and repeat what you wanted."))
    return shipment, order


def _write_all(shipment: Shipment, wish: _Wish) -> Recall:
    """Write it for the parcel and for those of its consignment that may be asked for; returns the parcel's."""
    recall = _write(shipment, wish)
    others = [one.pk for one in consigning.members(shipment) if one.pk != shipment.pk]
    rows = Shipment.objects.select_related("carrier__connection", "connection").filter(pk__in=others)
    for one in rows.select_for_update(no_key=True, of=("self",)).order_by("pk"):
        if obstacle(one, wish.kind) is None:
            _write(one, wish)
    return recall


def _write(shipment: Shipment, wish: _Wish) -> Recall:
    reason = wish.reason.strip()[:200]
    if not reason:
        raise OmsError(_("Give a reason."), attr="reason")
    blocked = obstacle(shipment, wish.kind)
    link = account_of(shipment)
    if link and link.code != sandboxes.CARRIER and shipment.sub_order.merchant.is_sandbox:
        link = None
    if blocked or link is None:
        raise CannotRecall(blocked or _("The parcel has no carrier account."))
    recall = Recall.objects.create(
        shipment=shipment,
        connection=link,
        kind=wish.kind,
        reason=reason,
        recipient=secrecy.seal(json.dumps(asdict(wish.there))) if wish.there else None,
        parcel_was=shipment.state,
        asked_by=wish.actor.name[:80],
        due_at=timezone.now() + clock.scaled(PATIENCE),
    )
    for part in _parts([shipment.pk]):
        timeline.record(
            part.order_id,
            kinds.RECALL_ASKED,
            wish.actor,
            sub_order_id=part.pk,
            changes=wish.changes,
            number=part.number,
            waybill=shipment.waybill_number,
            what=wish.kind.value,
            reason=reason,
        )
    nudging.nudge("send_recall")
    return recall


def orders_of(shipment: Shipment) -> set[str]:
    """The numbers of the orders that the parcel has goods of."""
    return set(
        Order.objects.filter(pk__in=[part.order_id for part in _parts([shipment.pk])]).values_list("number", flat=True)
    )


def _parts(shipment_ids: Collection[int]) -> list[SubOrder]:
    """The sub-orders that the parcels have goods of."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT sub_order_id FROM ({SUB_ORDERS_OF}) AS p", {"ids": array(shipment_ids)})
        return list(SubOrder.objects.filter(pk__in=[key for (key,) in cursor.fetchall()]).order_by("id"))


def destination_of(recall: Recall) -> Destination | None:
    """Where the parcel is to go instead, for the carrier only; None where that was not asked for, or is forgotten."""
    told = json.loads(secrecy.unseal(recall.recipient)) if recall.recipient else {}
    return Destination(**told) if told else None


def forget(order_ids: Collection[int]) -> None:
    """Take away where parcels of these orders were to go instead."""
    recalls = Recall.objects.filter(shipment__sub_order__order__in=order_ids, recipient__isnull=False)
    recalls.update(recipient=secrecy.seal("{}"))
