"""How pages write rates of tax and what became of red letters."""

from decimal import Decimal

from django import template

from payments.invoicing.words import CONFIRMATIONS

register = template.Library()


@register.filter
def percent(rate: Decimal) -> str:
    """A share as per cent, such as 13 %."""
    return f"{(rate * 100).normalize():f} %"


@register.filter
def confirmation(note: str) -> str:
    """A word for a state of a confirmation; any other text as it is."""
    return CONFIRMATIONS.word(note)
