"""What the OpenAPI schema says beside the operations: where they are, what webhooks bring, and a body to begin with for
each operation whose own description has none."""

from typing import Any

from oms.telling.gathering import DIGEST
from orders import kinds

SERVERS = [{"url": "/", "description": "This installation"}]
# By operation; the names are those of the guides.
BODIES: dict[str, dict[str, Any]] = {
    "look_up_gift_card": {"code": "GC7K-2M9P-4T6X-8W3Z"},
    "change_inventory": {
        "changes": [
            {"sku": "P1095275", "warehouse": "POP01-WH", "on_hand": 40, "version": 4},
            {"sku": "P1095276", "warehouse": "POP01-WH", "change": -2, "note": "broken"},
        ]
    },
    "cancel_order": {"reason": "One is enough", "lines": [{"position": 1, "quantity": 1}]},
    "change_order": {
        "reason": "Agreed on the phone",
        "actions": [{"do": "freight", "amount": "0.00"}],
        "preview": True,
    },
    "open_points_account": {"member": "M-20260102"},
    "change_replenishment_policies": {
        "policies": [{"warehouse": "POP01-WH", "sku": "P1095275", "reorder_point": 20, "order_up_to": 60}]
    },
    "create_reservation": {"seconds": 900, "source": "web-shop", "lines": [{"sku": "P1095275", "quantity": 1}]},
    "escalate_return": {"reason": "The seller does not answer"},
    "recall_shipment": {"kind": "return", "reason": "The buyer does not want it any more"},
    "put_sku_match": {"components": [{"sku": "P1095275", "units": 2}]},
    "change_sku_codes": {"alert_below": 50, "instructions": "Enter the code under Account, Redeem."},
    "create_stock_count": {
        "reference": "ST-2026-01",
        "warehouse": "POP01-WH",
        "reason": "January count",
        "rows": [{"sku": "P1095275", "units": 38}],
    },
    "change_channel_shares": {"shares": [{"channel": "web-shop", "sku": "P1095275", "percent": 80, "kept_back": 5}]},
    "cancel_transfer": {"reason": "Not needed any more"},
}


def complete(result: dict[str, Any], **_context: object) -> dict[str, Any]:
    """Hook of drf-spectacular: add the servers, the webhooks and the missing bodies."""
    result["servers"] = SERVERS
    result["webhooks"] = {
        news: _webhook(news, meaning) for kind in kinds.known().values() for news, meaning in kind.news.items()
    }
    result["webhooks"][DIGEST] = _webhook(DIGEST, "What is new for the merchant, gathered as it chose on its pages.")
    for operations in result["paths"].values():
        for operation in operations.values():
            body = BODIES.get(operation.get("operationId", ""))
            for content in operation.get("requestBody", {}).get("content", {}).values() if body else ():
                content.setdefault("examples", {"Example": {"value": body}})
    return result


def _webhook(news: str, meaning: str) -> dict[str, Any]:
    message = {
        "type": "object",
        "required": ["type", "timestamp", "data"],
        "properties": {
            "type": {"type": "string", "const": news},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"type": "object", "description": "Numbers, states and a version of what it is about."},
        },
    }
    headers = [
        {"name": f"webhook-{part}", "in": "header", "required": True, "schema": {"type": "string"}}
        for part in ("id", "timestamp", "signature")
    ]
    return {
        "post": {
            "summary": meaning,
            "tags": ["webhooks"],
            "parameters": headers,
            "requestBody": {"required": True, "content": {"application/json": {"schema": message}}},
            "responses": {"2XX": {"description": "Taken. Anything else is tried again."}},
        }
    }
