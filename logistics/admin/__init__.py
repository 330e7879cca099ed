"""The staff's pages of this app, and its part of the order's page and list."""

from logistics.admin import carriers, lists, order_page, printouts, warehouse_systems, watching

__all__ = ["carriers", "lists", "order_page", "printouts", "warehouse_systems", "watching"]
