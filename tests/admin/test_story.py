"""The timeline in words."""

import pytest
from django.utils.translation import override

from orders.kinds import tell
from orders.models import OrderEvent


@pytest.mark.parametrize(
    ("kind", "data", "text"),
    [
        ("received", None, "The order was received."),
        ("held", {"reason": "address"}, "Held: address"),
        ("hold_released", {"reason": "address", "note": ""}, "Hold released (address)."),
        ("hold_released", {"reason": "address", "note": "asked"}, "Hold released (address): asked"),
        ("split", {"parts": [["1-1", "SELF", "frozen"]]}, "The order became one sub-order: 1-1 (SELF, Frozen)."),
        (
            "split",
            {"parts": [["1-1", "SELF", "frozen"], ["1-2", "POP1", "odd"]]},
            "The order became 2 sub-orders: 1-1 (SELF, Frozen), 1-2 (POP1, odd).",
        ),
        ("released", {"number": "1-1", "warehouse": "BJ"}, "Sub-order 1-1 was sent to warehouse BJ."),
        ("backordered", {"number": "1-1", "short": {"P1": 2}}, "Sub-order 1-1 waits for stock: P1 short by 2."),
        (
            "parted",
            {"number": "1-1", "parts": ["1-1-1"], "short": {}},
            "No single warehouse has all of sub-order 1-1. Split off: 1-1-1.",
        ),
        ("warehouse_refused", {"number": "1-1", "text": "full", "warehouse": "BJ"},
         "Warehouse BJ refused sub-order 1-1: full"),
        (
            "in_transit",
            {"number": "1-1", "waybill": "SF1", "location": "武汉", "text": "到达"},
            "The parcel is on its way (SF1): 武汉 · 到达",
        ),
        ("signed", {"number": "1-1", "waybill": "SF1"}, "The parcel was signed for (SF1)."),
        ("sub_order_returned", {"number": "1-1", "warehouse": "BJ"}, "Sub-order 1-1 is back in warehouse BJ."),
        ("sub_order_rejected", {"number": "1-1", "warehouse": "BJ"}, "The buyer refused sub-order 1-1."),
        ("rejected", {"number": "1-1", "waybill": "SF1"}, "The buyer refused the parcel (SF1)."),
        ("waybill_refused", {"number": "1-1", "carrier": "SF", "text": "full"},
         "Sub-order 1-1: SF gave no waybill: full"),
        ("recipient_changed", {"fields": ["address", "phone"]},
         "The recipient was changed: address, recipient's phone."),
        ("cancel_requested", {"reason": "x", "numbers": ["1-1", "1-2"]},
         "Cancellation requested (x); the warehouse is asked about 1-1, 1-2."),
        ("refund_intended", {"amount": "1.00", "number": "1-R1", "reason": "overpaid"},
         "Refund 1-R1 of 1.00 yuan is due: more was paid than is due."),
        ("alert_opened", {"number": "1-1", "alert": "stalled", "level": 2},
         "Alert on 1-1 (Exception): Stuck on its way."),
        ("paid", {}, "– yuan were paid through –."),
        ("note", {"text": "100% sure %(x)s"}, "Note: 100% sure %(x)s"),
        ("moon_landing", None, "moon landing"),
        ("moon_landing", {"crew": ["a"], "on": 1}, 'moon landing (crew: ["a"], on: 1)'),
    ],
)  # fmt: skip
def test_an_event_is_told(kind: str, data: dict[str, object] | None, text: str) -> None:
    with override("en"):
        assert tell(OrderEvent(kind=kind, data=data)) == text
