"""Receivers that a platform hides: told by its token when the waybill is bought, to the carrier and nobody else.

Nothing of what the platform tells is kept. That it was asked, by whom and for which parcel, stands on the timeline
before it is.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace

from django.db import connection

from logistics import kinds
from logistics.carriers import adapters
from logistics.carriers.adapters import CannotDecode, CarrierSystem, Parcel
from oms.common import secrecy
from oms.common.copying import text_array
from oms.common.masking import is_masked
from oms.common.models import Connection
from orders.models import ActorKind

logger = logging.getLogger(__name__)


def with_receivers(carrier: CarrierSystem, link: Connection, parcels: Sequence[Parcel]) -> list[Parcel]:
    """The parcels with the receivers that were hidden; one that cannot be told now is left out, and asked for again.
    Where the carrier takes tokens, the parcels have them instead, those whose recipient is known none.

    Raises CannotDecode where that leaves none.
    """
    if adapters.takes_tokens(link):
        return [
            replace(parcel, receiver_token=secrecy.unseal(parcel.receiver_token) if _is_hidden(parcel) else "")
            for parcel in parcels
        ]
    hidden = {parcel.reference for parcel in parcels if _is_hidden(parcel)}
    if not hidden:
        return list(parcels)
    _tell(hidden)
    told: list[Parcel] = []
    refusal: CannotDecode | None = None
    for parcel in parcels:
        if parcel.reference not in hidden:
            told.append(parcel)
            continue
        try:
            receiver = carrier.decode_receiver(link, secrecy.unseal(parcel.receiver_token))
        except CannotDecode as error:
            logger.warning("the receiver of %s cannot be decoded now", parcel.reference)
            refusal = error
            continue
        told.append(
            replace(
                parcel,
                recipient_name=receiver.name,
                recipient_phone=receiver.phone,
                address=receiver.address or parcel.address,
            )
        )
    if refusal is not None and not told:
        raise refusal
    return told


def _is_hidden(parcel: Parcel) -> bool:
    return is_hidden(parcel.receiver_token, parcel.recipient_name, parcel.recipient_phone, parcel.address)


def is_hidden(token: str, *recipient: str) -> bool:
    """Whether only the platform knows who the recipient is, and tells it by the token."""
    return bool(token) and any(map(is_masked, recipient))


def _tell(references: set[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO orders_orderevent (order_id, sub_order_id, kind, actor_kind, actor, data)
            SELECT s.order_id, s.id, '{kinds.RECEIVER_DECODED}', '{ActorKind.JOB}', 'dispatch',
                jsonb_build_object('number', s.number, 'parcel', h.number, 'carrier', c.name)
            FROM logistics_shipment h JOIN orders_suborder s ON s.id = h.sub_order_id
            JOIN logistics_carrier c ON c.id = h.carrier_id
            WHERE h.number = ANY(%s::text[]) ORDER BY h.id
            """,
            [text_array(sorted(references))],
        )
