"""Warehouses that are run on this site (protocol `floor`): what they are asked for lies as tasks on their floor."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, transaction

from logistics.models import DropReason
from logistics.warehouses.adapters import Answer, Request
from oms.common.copying import text_array
from oms.common.models import Connection

PROTOCOL = "floor"


class FloorWarehouse:
    """See `logistics.warehouses.adapters.WarehouseSystem`."""

    def release(self, link: Connection, requests: Sequence[Request]) -> Mapping[str, Answer]:
        """Every order is taken, and waits for its wave; asked again, nothing changes."""
        with connection.cursor() as cursor:
            cursor.execute(
                """
                INSERT INTO logistics_picktask (warehouse_order_id)
                SELECT id FROM logistics_warehouseorder WHERE number = ANY(%s::text[]) ORDER BY id
                ON CONFLICT DO NOTHING
                """,
                [text_array(request.reference for request in requests)],
            )
        return {request.reference: Answer(taken=True) for request in requests}

    def cancel(self, link: Connection, references: Sequence[str]) -> Mapping[str, Answer]:
        """Stopped unless it was handed to the carrier; what was packed is put back."""
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(
                """
                SELECT w.number, t.id, t.handed_over_at IS NOT NULL
                FROM logistics_picktask t JOIN logistics_warehouseorder w ON w.id = t.warehouse_order_id
                WHERE w.number = ANY(%s::text[]) ORDER BY t.id FOR NO KEY UPDATE OF t
                """,
                [text_array(references)],
            )
            rows = cursor.fetchall()
            gone = {number for number, _id, has_gone in rows if has_gone}
            cursor.execute(
                f"""
                UPDATE logistics_picktask SET dropped_at = now(), dropped_why = '{DropReason.STOPPED}'
                WHERE id = ANY(%s::bigint[]) AND dropped_at IS NULL
                """,
                [[key for _number, key, has_gone in rows if not has_gone]],
            )
        return {ref: Answer(taken=ref not in gone, reason="handed over already") for ref in references}

    def stock(self, link: Connection, warehouse: str) -> Mapping[str, Any] | None:
        """Its stock is that of the books; it is counted on its pages."""
        return None


WAREHOUSE = FloorWarehouse()
