"""A person gives a parcel to another carrier, before it has a waybill."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics import kinds
from logistics.carriers import cancelling, sharing
from logistics.carriers.rules import reading
from logistics.carriers.rules.judging import Asked, Goods, Judge
from logistics.carriers.rules.pricing import Priced
from logistics.carriers.trouble import NO_CARRIER
from logistics.models import CarrierDecision, Shipment, ShipmentState
from oms.common import stuck, tickets
from oms.common.errors import OmsError
from oms.common.models import TicketResult
from oms.common.work import nudging
from orders.actors import Actor
from orders.telling import timeline


def may_have_a_waybill(shipment: Shipment) -> bool:
    """Whether the carrier that was asked last may have issued a waybill: it did not answer, or not clearly."""
    if not shipment.attempts or shipment.connection_id is None:
        return False
    last = CarrierDecision.objects.filter(shipment=shipment).order_by("-id").first()
    was_refused = last is not None and last.cause == CarrierDecision.Cause.REFUSED
    return not (was_refused and last is not None and shipment.last_error[:300] == last.text)


@transaction.atomic
def switch(shipment_id: int, carrier: str, *, actor: Actor, although_unknown: bool = False) -> Shipment:
    """Ask this carrier (its code) for the parcel's waybill from now on; returns the parcel.

    Raises OmsError where the parcel has a waybill or is being asked for at this moment, where the carrier cannot be
    asked, or where the one before may have issued a waybill, unless the person takes that into account.
    """
    row = Shipment.objects.select_for_update(no_key=True, of=("self",)).select_related("carrier").get(pk=shipment_id)
    if row.state != ShipmentState.CREATED or row.ready_at is None:
        raise OmsError(_("Only a parcel that waits for a waybill of ours can be given to another carrier."))
    if row.lease_until is not None and row.lease_until > timezone.now():
        raise OmsError(_("Its carrier is being asked at this moment; try again in a minute."))
    is_unknown = may_have_a_waybill(row)
    if is_unknown and not although_unknown:
        raise OmsError(
            _("%(carrier)s did not answer clearly and may have issued a waybill. Say that you know it.")
            % {"carrier": row.carrier}
        )
    judge = reading.judge(timezone.now(), ())
    chosen = next((one for one in judge.carriers if one.code == carrier), None)
    if chosen is None:
        raise OmsError(_("No waybills can be bought from %(carrier)s.") % {"carrier": carrier}, attr="carrier")
    (goods,) = reading.parcels([row.pk])
    connection_id = _take(judge, chosen, goods, keeps_former=is_unknown)
    former = row.carrier
    if is_unknown and connection_id != row.connection_id:
        # By its number, over the account that was asked.
        cancelling.give_back({row.pk: ""})
    CarrierDecision.objects.create(
        shipment=row,
        cause=CarrierDecision.Cause.STAFF,
        carrier_id=chosen.id,
        connection_id=connection_id,
        former=former,
        details={"unknown": True} if is_unknown else {},
        decided_by=actor.name[:80],
    )
    tickets.close_tickets([NO_CARRIER], [row.pk], result=TicketResult.DONE, closed_by=actor.name)
    stuck.give_back(Shipment, row.pk, by=actor.name)
    if is_unknown and connection_id != row.connection_id:
        cancelling.give_back({row.pk: ""})
    Shipment.objects.filter(pk=row.pk).update(carrier=chosen.id, connection=connection_id, last_error="")
    timeline.record(
        row.sub_order.order_id,
        kinds.CARRIER_SWITCHED,
        actor,
        number=row.sub_order.number,
        parcel=row.number,
        carrier=chosen.code,
        former=former.code if former else "–",
    )
    nudging.nudge("dispatch")
    return row


def _take(judge: Judge, chosen: Asked, goods: Goods, *, keeps_former: bool) -> int:
    """The first account (its connection) that has something left for the parcel's user, who pays with it. Raises
    OmsError where none has."""
    options = []
    for account in chosen.accounts:
        try:
            options.append((account, account.share_of(goods.merchant_id, goods.channel_id)))
        except KeyError:
            continue
    if not options:
        raise OmsError(
            _("The parcel's shop and merchant may not use an account with %(carrier)s.") % {"carrier": chosen.code},
            attr="carrier",
        )
    price = judge.price(goods.way, chosen.code)
    fen = price.freight.fen if isinstance(price, Priced) else 0
    purse = sharing.Purse.of([share for _account, share in options if share], [goods.key])
    if keeps_former:
        purse.count_as_bought(goods.key)
    else:
        purse.give_back([goods.key])
    for account, share in options:
        if share is None or purse.take(share, goods.key, fen):
            purse.write()
            return account.connection_id
    raise OmsError(
        _("No account with %(carrier)s has waybills left for the parcel's shop or merchant.")
        % {"carrier": chosen.code},
        attr="carrier",
    )
