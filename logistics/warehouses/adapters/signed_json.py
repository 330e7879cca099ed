"""Warehouses that speak the protocol `json` (see `oms.common.work.signed_json`).

Below the connection's base address we post to `warehouse-orders` what is to be sent, and to `warehouse-orders/stop`
what is to be stopped:

    {"warehouse_orders": [{"number": "…-1-W1", "warehouse": "BJ-DC1", "carrier": "", "waybill": "",
        "recipient": {"name": "…", "phone": "…", "province": "…", "city": "…", "district": "…", "address": "…"},
        "lines": [{"line": "4711", "sku": "P1", "name": "…", "quantity": 2}]}]}
    {"numbers": ["…-1-W1"]}

(`recipient` has the `token` of the platform that hides who it is, and the `channel_order` by which it knows the order,
where the warehouse buys the waybill) and are answered for each number:

    {"answers": [{"number": "…", "taken": true, "later": false, "reason": ""}]}

To `stock` we post a warehouse's code, and are answered with a report (see `logistics.warehouses.comparing`):

    {"warehouse": "BJ-DC1"}
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from logistics.warehouses import contents
from logistics.warehouses.adapters import Answer, Request
from logistics.warehouses.comparing import StockReport
from logistics.warehouses.contents import Contents
from oms.common import secrecy
from oms.common.models import Connection
from oms.common.work.signed_json import post


class _Said(msgspec.Struct):
    number: str
    taken: bool
    reason: str = ""
    later: bool = False


class _Answers(msgspec.Struct):
    answers: list[_Said]


class JsonWarehouse:
    """See `logistics.warehouses.adapters.WarehouseSystem`."""

    def release(self, link: Connection, requests: Sequence[Request]) -> Mapping[str, Answer]:
        """Hand over warehouse orders with all that is in them."""
        known = contents.of([request.reference for request in requests])
        body = [_body(request, known[request.reference]) for request in requests if request.reference in known]
        return _answers(post(link, "warehouse-orders", {"warehouse_orders": body}))

    def cancel(self, link: Connection, references: Sequence[str]) -> Mapping[str, Answer]:
        """Ask to stop warehouse orders."""
        return _answers(post(link, "warehouse-orders/stop", {"numbers": list(references)}))

    def stock(self, link: Connection, warehouse: str) -> Mapping[str, Any]:
        """Ask for all that lies there. Raises msgspec.ValidationError where the answer is no such thing."""
        report = post(link, "stock", {"warehouse": warehouse})
        msgspec.convert(report, StockReport)
        return dict(report)


def _body(request: Request, known: Contents) -> dict[str, Any]:
    recipient = {
        "name": known.recipient_name,
        "phone": known.recipient_phone,
        "province": known.province,
        "city": known.city,
        "district": known.district,
        "address": known.address,
    }
    if request.receiver_token:
        recipient |= {"token": secrecy.unseal(request.receiver_token), "channel_order": request.channel_order}
    return {
        "number": request.reference,
        "warehouse": request.warehouse,
        "carrier": request.carrier,
        "waybill": request.waybill,
        "recipient": recipient,
        "lines": [
            {"line": line.line, "sku": line.sku, "name": line.name, "quantity": line.quantity} for line in known.lines
        ],
    }


def _answers(answered: Any) -> dict[str, Answer]:
    """Raises msgspec.ValidationError where the answer is no such thing: then nothing is known."""
    said = msgspec.convert(answered, _Answers)
    return {one.number: Answer(one.taken, one.reason[:300], one.later) for one in said.answers}


WAREHOUSE = JsonWarehouse()
