"""What the people of a merchant may do on its pages: a role each, and what every role may. The one table of it."""

from collections.abc import Mapping

from django.db import models
from django.utils.translation import gettext_lazy as _


class Role(models.TextChoices):
    """What somebody does for the merchant."""

    ADMINISTRATOR = "administrator", _("Administrator")
    LOGISTICS = "logistics", _("Logistics")
    FINANCE = "finance", _("Finance")
    READ_ONLY = "read_only", _("Read only")


class Right(models.TextChoices):
    """Something that a role may. Orders, parcels, stock and catalogue are read by every role."""

    SHIP = "ship", _("print, ship, answer requests to stop, inspect returns")
    RECIPIENTS = "recipients", _("see whole names, phones and addresses")
    ORDERS = "orders", _("place and cancel orders, decide on returns")
    CATALOGUE = "catalogue", _("change SKUs, stock and alert lines")
    WAREHOUSES = "warehouses", _("open and change warehouses")
    SEE_MONEY = "see_money", _("see settlements, statements and the deposit")
    MONEY = "money", _("dispute statements, ask for refunds")
    KEYS = "keys", _("credentials, webhooks and the log of calls")
    PEOPLE = "people", _("invite colleagues and change their roles")


R = Right
MAY: Mapping[Role, frozenset[Right]] = {
    Role.ADMINISTRATOR: frozenset(Right),
    Role.LOGISTICS: frozenset({R.SHIP, R.RECIPIENTS, R.ORDERS, R.CATALOGUE, R.WAREHOUSES}),
    Role.FINANCE: frozenset({R.SEE_MONEY, R.MONEY}),
    Role.READ_ONLY: frozenset({R.SEE_MONEY}),
}


def may(role: str, right: Right) -> bool:
    """Whether the role has the right."""
    return right in MAY[Role(role)]
