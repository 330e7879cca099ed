"""The staff's pages of this app, and its part of the order's page and list."""

from logistics.admin import (
    carriers,
    floor,
    following,
    lists,
    order_page,
    printouts,
    recalls,
    virtual,
    warehouse_systems,
    watching,
)

__all__ = [
    "carriers",
    "floor",
    "following",
    "lists",
    "order_page",
    "printouts",
    "recalls",
    "virtual",
    "warehouse_systems",
    "watching",
]
