"""The staff's pages of this app, and its part of the order's page and list."""

from logistics.admin import carriers, following, lists, order_page, printouts, recalls, watching

__all__ = ["carriers", "following", "lists", "order_page", "printouts", "recalls", "watching"]
