"""The staff's pages of this app."""

from orders.admin.order import OrderAdmin
from orders.admin.parts import (
    DenyListEntryAdmin,
    HoldAdmin,
    InterceptionRuleAdmin,
    ReturnRequestAdmin,
    SubOrderAdmin,
)

__all__ = [
    "DenyListEntryAdmin",
    "HoldAdmin",
    "InterceptionRuleAdmin",
    "OrderAdmin",
    "ReturnRequestAdmin",
    "SubOrderAdmin",
]
