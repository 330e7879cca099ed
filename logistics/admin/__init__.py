"""The staff's pages of this app, and its part of the order's page and list."""

from logistics.admin import lists, order_page, printouts

__all__ = ["lists", "order_page", "printouts"]
