"""What carriers give with waybills beside the number: labels and pick-up times."""

from collections.abc import Mapping
from dataclasses import asdict

from django.db import connection

from logistics.carriers.adapters import Answer
from logistics.models import ShipmentLabel
from oms.common import secrecy
from oms.common.copying import array

_MOST = 60  # characters of a column


def keep(answers: Mapping[int, Answer]) -> None:
    """Store what the carriers said of parcels (ids) that just got their waybill."""
    labels = [
        ShipmentLabel(
            shipment_id=key,
            template=secrecy.seal(answer.label.template) if answer.label.template else None,
            **{name: value[:_MOST] for name, value in asdict(answer.label).items() if name != "template"},
        )
        for key, answer in answers.items()
        if answer.label is not None
    ]
    names = [field.name for field in ShipmentLabel._meta.concrete_fields if not field.primary_key]
    ShipmentLabel.objects.bulk_create(labels, update_conflicts=True, unique_fields=["shipment"], update_fields=names)
    booked = {key: answer.pick_up for key, answer in answers.items() if answer.pick_up is not None}
    if not booked:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE logistics_shipment h SET pick_up_from = p.since, pick_up_until = p.until
            FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[]) AS p(id, since, until) WHERE h.id = p.id
            """,
            [array(booked), [one.since for one in booked.values()], [one.until for one in booked.values()]],
        )
