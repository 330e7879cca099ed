"""Which tiles stand on the start page of each role that the program comes with."""

from oms.boards import money_tiles, work_tiles  # noqa: F401 - they register their tiles
from oms.boards.registry import BOARDS

_DESK = ("my_work", "stopped", "to_ship", "promise_risk", "alerts", "returns", "refunds")
_MONEY = ("my_work", "money_today", "refunds", "books", "statements", "merchants", "stopped")

BOARDS.update(
    {
        "administrator": (
            *("my_work", "teams", "stopped", "to_ship", "stalls", "refunds", "money_today", "merchants"),
        ),
        "customer_service": _DESK,
        "customer_service_lead": (*_DESK[:1], "teams", *_DESK[1:]),
        "reviewer": ("my_work", "holds", "stopped", "promise_risk", "to_ship"),
        "warehouse": ("my_work", "floor", "to_ship", "warehouse_load", "shortages", "returns"),
        "logistics": ("my_work", "stalls", "alerts", "to_ship", "promise_risk", "warehouse_load"),
        "after_sales": ("my_work", "returns", "refunds", "alerts", "stopped"),
        "finance": _MONEY,
        "finance_lead": (*_MONEY[:1], "teams", *_MONEY[1:]),
        "operations": (
            *("my_work", "shortages", "buying", "warehouse_load", "stopped", "promise_risk", "stalls", "merchants"),
        ),
        "operator": ("my_work", "technical", "teams", "stopped", "to_ship", "alerts", "merchants"),
        "merchant_manager": ("my_work", "merchants", "statements", "stopped", "shortages"),
        "auditor": ("teams", "stopped", "money_today", "refunds", "books", "statements", "alerts", "merchants"),
    }
)
