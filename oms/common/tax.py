"""Value added tax as invoices state it: why none is charged, and what of a gross amount is tax."""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.db import models
from django.utils.translation import gettext_lazy as _


class TaxMark(models.TextChoices):
    """Why no tax is charged."""

    EXEMPT = "exempt", _("Exempt (免税)")
    UNTAXED = "untaxed", _("Not taxed (不征税)")
    ZERO = "zero", _("Zero rate (普通零税率)")


@dataclass(frozen=True, slots=True)
class TaxClass:
    """How something is taxed: the bureau's class (19 digits), its short name, the rate as a share, for rate 0 why."""

    code: str
    name: str
    rate: Decimal
    mark: str = ""


def net_of(gross: int, rate: Decimal) -> int:
    """What of a gross amount (fen, of either sign) is not tax, rounded half up; the rest is tax."""
    return int((Decimal(gross) / (1 + rate)).quantize(Decimal(1), ROUND_HALF_UP))
