"""Examples that the API's documentation shows."""

from typing import Any

_NUMBER = "1364935748662587"
_URL = f"https://oms.example/api/v1/orders/{_NUMBER}"
_SHARES = {
    "goods_amount": "19.00",
    "freight_share": "6.00",
    "promotion_share": "3.00",
    "coupon_share": "2.00",
    "adjustment_share": "-0.50",
    "points_share": "0.00",
    "gift_card_share": "0.00",
    "merchant_borne_share": "1.20",
    "payable_amount": "19.50",
}
_BUYER = {"id": "H900", "name": "张华", "phone": "13800001111"}
_RECIPIENT = {
    "name": "张华",
    "phone": "13800001111",
    "region_code": "110101",
    "province": "北京市",
    "city": "北京市",
    "district": "东城区",
    "address": "中山路861号13栋837室",
}

BODY: dict[str, Any] = {
    "external_number": "T20260102-0001",
    "source": "web-shop",
    "ordered_at": "2026-01-02T09:00:00+08:00",
    "buyer": _BUYER,
    "recipient": {name: value for name, value in _RECIPIENT.items() if name not in ("province", "city", "district")},
    "payment_method": "prepaid",
    "lines": [
        {
            "id": "L1",
            "sku": "P1095275",
            "merchant": "POP01",
            "quantity": 2,
            "unit_price": "10.00",
            "line_discount": "1.00",
        }
    ],
    "promotions": [
        {
            "id": "FULL-15-3",
            "name": "满15减3",
            "rule": {"kind": "amount_off", "from": "15.00", "off": "3.00"},
            "lines": ["L1"],
            "amount": "3.00",
            "platform_amount": "1.80",
            "merchant_amount": "1.20",
        }
    ],
    "coupon_amount": "2.00",
    "adjustment_amount": "-0.50",
    "adjustment_reason": "抹零",
    "adjustment_bearer": "platform",
    "freight_amount": "6.00",
    "payable_amount": "19.50",
    "collected": {
        "paid_at": "2026-01-02T09:00:05+08:00",
        "amount": "19.50",
        "transaction": "4200001234",
        "provider": "wechat",
    },
    "carrier": "SF",
    "ship_by": "2026-01-04T09:00:00+08:00",
    "metadata": {"campaign": "new-year"},
    "invoice": {
        "title_type": "company",
        "title": "示例科技有限公司",
        "tax_number": "91110000600037341L",
        "email": "invoice@example.com",
    },
}

HISTORICAL_BODY: dict[str, Any] = {
    **{name: value for name, value in BODY.items() if name != "collected"},
    "external_number": "T20250102-0001",
    "ordered_at": "2025-01-02T09:00:00+08:00",
    "state": "completed",
    "finished_at": "2025-01-06T18:00:00+08:00",
}

PLACED = {"number": _NUMBER, "url": _URL}

_DUPLICATE_ERROR = {
    "code": "duplicate",
    "detail": f"This channel sent the external number before; it is order {_NUMBER}.",
    "attr": "external_number",
}
_QUANTITY_ERROR = {
    "code": "invalid_quantity",
    "detail": "Give a quantity from 1 to 10000.",
    "attr": "lines.0.quantity",
}

DUPLICATE = {"type": "client_error", "errors": [_DUPLICATE_ERROR], "order": PLACED}

BULK_RESULTS = {
    "results": [
        {"index": 0, "external_number": "T20260102-0001", "status": "created", **PLACED},
        {
            "index": 1,
            "external_number": "T20260102-0001",
            "status": "duplicate",
            **PLACED,
            "errors": [_DUPLICATE_ERROR],
        },
        {"index": 2, "external_number": "T20260102-0002", "status": "refused", "errors": [_QUANTITY_ERROR]},
    ]
}

EVENTS: list[dict[str, Any]] = [
    {
        "at": "2026-01-02T09:00:01.271404+08:00",
        "kind": "received",
        "sub_order": None,
        "actor": "merchant",
        "from_state": "",
        "to_state": "awaiting_payment",
        "data": {},
    },
    {
        "at": "2026-01-02T09:05:42.803019+08:00",
        "kind": "allocated",
        "sub_order": f"{_NUMBER}-1",
        "actor": "job",
        "from_state": "",
        "to_state": "allocated",
        "data": {"number": f"{_NUMBER}-1", "warehouse": "POP01-WH"},
    },
]

_PART: dict[str, Any] = {
    "version": 4,
    "merchant": "POP01",
    "state": "allocated",
    "storage_class": "ambient",
    "payment_method": "prepaid",
    "warehouse": "POP01-WH",
    "wished_warehouse": None,
    "shortage": None,
    "total_quantity": 2,
    **_SHARES,
    "created_at": "2026-01-02T09:05:40.114209+08:00",
    "allocated_at": "2026-01-02T09:05:42.803019+08:00",
    "released_at": None,
    "packed_at": None,
    "shipped_at": None,
    "delivered_at": None,
    "completed_at": None,
    "cancelled_at": None,
    "ship_not_before": None,
    "lines": [
        {
            "position": 1,
            "id": "L1",
            "sku": "P1095275",
            "name": "Rolls: Bagels 4 Oz",
            "is_gift": False,
            "quantity": 2,
            **_SHARES,
        }
    ],
}

SUB_ORDER = {
    "number": f"{_NUMBER}-1",
    "url": f"https://oms.example/api/v1/sub-orders/{_NUMBER}-1",
    "promise": "standard",
    "recipient": _RECIPIENT,
    **_PART,
}

SUMMARY: dict[str, Any] = {
    **PLACED,
    "version": 7,
    "source": "web-shop",
    "external_number": "T20260102-0001",
    "state": "split",
    "payment_state": "paid",
    "fulfilment_state": "unfulfilled",
    "held": False,
    "payment_method": "prepaid",
    "promise": "standard",
    "buyer": _BUYER,
    "recipient": _RECIPIENT,
    "remark": "",
    "ship_not_before": None,
    "carrier": "SF",
    "carrier_class": "",
    "carrier_unmet": "",
    "warehouse": "",
    "delivery_from": None,
    "delivery_until": None,
    "ship_by": "2026-01-04T09:00:00+08:00",
    "collect_by": None,
    "sign_by": None,
    "late": [],
    "has_receiver_token": False,
    "seller_memo": "",
    "flag": 0,
    "metadata": {"campaign": "new-year"},
    "goods_amount": "19.00",
    "freight_amount": "6.00",
    "order_amount": "25.00",
    "promotion_amount": "3.00",
    "coupon_amount": "2.00",
    "adjustment_amount": "-0.50",
    "adjustment_reason": "抹零",
    "adjustment_bearer": "platform",
    "points_used": 0,
    "points_amount": "0.00",
    "gift_card_amount": "0.00",
    "merchant_borne_amount": "1.20",
    "payable_amount": "19.50",
    "paid_amount": "19.50",
    "refunded_amount": "0.00",
    "currency": "CNY",
    "collected": BODY["collected"],
    "line_count": 1,
    "total_quantity": 2,
    "units_to_cancel": None,
    "wanted_at": None,
    "is_historical": False,
    "ordered_at": "2026-01-02T09:00:00+08:00",
    "created_at": "2026-01-02T09:00:01.271404+08:00",
    "pay_by": None,
    "paid_at": "2026-01-02T09:00:12.516021+08:00",
    "completed_at": None,
    "cancelled_at": None,
    "cancel_requested_at": None,
    "cancel_reason": "",
}

INVOICE = {
    "kind": "ordinary",
    "title_type": "company",
    "title": "示例科技有限公司",
    "tax_number": "91110000600037341L",
    "bank_name": "",
    "bank_account": "",
    "address": "",
    "phone": "",
    "email": "invoice@example.com",
}

ORDER = {
    **SUMMARY,
    "lines": [
        {
            "position": 1,
            "id": "L1",
            "sku": "P1095275",
            "caller_code": "",
            "merchant": "POP01",
            "name": "Rolls: Bagels 4 Oz",
            "quantity": 2,
            "is_gift": False,
            "stated_value": "0.00",
            "unit_price": "10.00",
            "line_discount": "1.00",
            **_SHARES,
        }
    ],
    "invoice": INVOICE,
    "sub_orders": [{"number": f"{_NUMBER}-1", **_PART}],
    "holds": [],
    "timeline": EVENTS,
    "cancellation": None,
}

CANCELLATION = {
    "state": "asked",
    "asked_at": "2026-01-02T10:12:30.401822+08:00",
    "answered_at": None,
    "deadline": "2026-01-02T14:12:30.401822+08:00",
    "asked": [{"sub_order": f"{_NUMBER}-1", "warehouse": "POP01-WH", "state": "asked", "answered_at": None}],
}

_CHARGED = {
    "goods": SUMMARY["goods_amount"],
    "freight": SUMMARY["freight_amount"],
    "promotion": "-3.00",
    "coupon": "-2.00",
    "adjustment": SUMMARY["adjustment_amount"],
}
_COMPONENTS = [
    {"component": "goods", "source": "", "bearer": "", "amount": SUMMARY["goods_amount"]},
    {"component": "freight", "source": "", "bearer": "", "amount": SUMMARY["freight_amount"]},
    {"component": "promotion", "source": "FULL-15-3", "bearer": "platform", "amount": "-1.80"},
    {"component": "promotion", "source": "FULL-15-3", "bearer": "merchant", "amount": "-1.20"},
    {"component": "coupon", "source": "", "bearer": "platform", "amount": "-2.00"},
    {"component": "adjustment", "source": "抹零", "bearer": "platform", "amount": SUMMARY["adjustment_amount"]},
]
AMOUNTS: dict[str, Any] = {
    "number": _NUMBER,
    "version": 3,
    "currency": "CNY",
    **{name: SUMMARY[name] for name in SUMMARY if name.endswith("_amount")},
    "cancelled_amount": "0.00",
    "owed_amount": "19.50",
    "adjustment_bearer": "platform",
    "apportionment_policy": "whole_yuan",
    "formulas": {
        "payable_amount": "order_amount - promotion_amount - coupon_amount + adjustment_amount - points_amount"
        " - gift_card_amount"
    },
    "promotions": [{name: value for name, value in BODY["promotions"][0].items() if name != "lines"}],
    "lines": [
        {
            "position": 1,
            "id": "L1",
            "sku": "P1095275",
            "merchant": "POP01",
            "caller_code": "",
            "quantity": 2,
            "unit_price": "10.00",
            "line_discount": "1.00",
            **_SHARES,
            "components": _COMPONENTS,
            "promotions": [{"id": "FULL-15-3", "amount": "3.00", "platform_amount": "1.80", "merchant_amount": "1.20"}],
            "parts": [
                {
                    "sub_order": f"{_NUMBER}-1",
                    "state": "allocated",
                    "quantity": 2,
                    "returned_quantity": 0,
                    **_SHARES,
                    "units": [],
                }
            ],
        }
    ],
    "components": _COMPONENTS,
    "sub_orders": [{"number": f"{_NUMBER}-1", "merchant": "POP01", "state": "allocated", **_SHARES}],
    "charges": [
        {
            "cause": "placed",
            "component": component,
            "amount": amount,
            "sub_order": None,
            "line": None,
            "reference": "",
            "reason": "",
            "bearer": "",
            "created_at": "2026-01-02T10:00:00.401822+08:00",
        }
        for component, amount in _CHARGED.items()
    ],
}
