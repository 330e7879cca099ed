"""The staff's pages of this app, and its part of the order's page and list."""

from logistics.admin import (
    carrier_rules,
    carriers,
    claims,
    floor,
    following,
    lists,
    order_page,
    pick_ups,
    printouts,
    recalls,
    route_plans,
    sharing,
    stations,
    virtual,
    warehouse_systems,
    watching,
)

__all__ = [
    "carrier_rules",
    "carriers",
    "claims",
    "floor",
    "following",
    "lists",
    "order_page",
    "pick_ups",
    "printouts",
    "recalls",
    "route_plans",
    "sharing",
    "stations",
    "virtual",
    "warehouse_systems",
    "watching",
]
