"""A person gives a parcel to another carrier, before it has a waybill; those of a consignment go together."""

from collections.abc import Sequence

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics import kinds
from logistics.carriers import adapters, cancelling, consigning, sharing
from logistics.carriers.rules import reading
from logistics.carriers.rules.judging import Asked, Goods, Judge
from logistics.carriers.rules.pricing import Priced
from logistics.carriers.trouble import NO_CARRIER
from logistics.models import CarrierDecision, Shipment, ShipmentState
from oms.common import stuck, tickets
from oms.common.errors import OmsError
from oms.common.models import Connection, TicketResult
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
    """Ask this carrier (its code) for the parcel's waybill from now on; returns the parcel, or the mother with which it
    waits: what waits together is given to it together.

    Raises OmsError where the parcel has a waybill or is being asked for at this moment, where the carrier cannot be
    asked, or where the one before may have issued a waybill, unless the person takes that into account.
    """
    rows = _waiting_together(shipment_id)
    row = rows[0]
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
    goods = reading.parcels([one.pk for one in rows])
    connection_id = _take(judge, chosen, goods, keeps_former=is_unknown)
    former = row.carrier
    if is_unknown and connection_id != row.connection_id:
        # By its number, over the account that was asked.
        cancelling.give_back({one.pk: "" for one in rows})
    CarrierDecision.objects.bulk_create(
        CarrierDecision(
            shipment=one,
            cause=CarrierDecision.Cause.STAFF,
            carrier_id=chosen.id,
            connection_id=connection_id,
            former=former,
            details={"unknown": True} if is_unknown else {},
            decided_by=actor.name[:80],
        )
        for one in rows
    )
    tickets.close_tickets([NO_CARRIER], [row.pk], result=TicketResult.DONE, closed_by=actor.name)
    stuck.give_back(Shipment, row.pk, by=actor.name)
    changed = Shipment.objects.filter(pk__in=[one.pk for one in rows])
    changed.update(carrier=chosen.id, connection=connection_id, last_error="")
    link = Connection.objects.get(pk=connection_id)
    mother = row.pk if adapters.consigns(link, chosen.code) else None
    consigning.write({row.pk: None, **{one.pk: mother for one in rows[1:]}})
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


def _waiting_together(shipment_id: int) -> list[Shipment]:
    """The parcel and those that wait for their waybills with it, locked, the mother first."""
    mother = Shipment.objects.filter(children=shipment_id, state=ShipmentState.CREATED).values_list("pk", flat=True)
    root = mother.first() or shipment_id
    rows = Shipment.objects.select_for_update(no_key=True, of=("self",)).select_related("carrier", "sub_order")
    return list(rows.filter(Q(pk=root) | Q(mother=root, state=ShipmentState.CREATED)).order_by("pk"))


def _take(judge: Judge, chosen: Asked, together: Sequence[Goods], *, keeps_former: bool) -> int:
    """The first account (its connection) that has enough left for the parcels' user, who pays with it. Raises OmsError
    where none has."""
    options, goods = [], together[0]
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
    whole = goods.way.weighing(sum(one.way.measures.weight_g for one in together))
    price = judge.price(whole, chosen.code)
    fen = price.freight.fen if isinstance(price, Priced) else 0
    keys = [one.key for one in together]
    for account, share in options:
        purse = sharing.Purse.of([share for _account, share in options if share], keys)
        if keeps_former:
            purse.count_as_bought(goods.key)
        else:
            purse.give_back(keys)
        if share is None or all(purse.take(share, key, fen if key == goods.key else 0) for key in keys):
            purse.write()
            return account.connection_id
    raise OmsError(
        _("No account with %(carrier)s has waybills left for the parcel's shop or merchant.")
        % {"carrier": chosen.code},
        attr="carrier",
    )
