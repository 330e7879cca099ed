"""Words of the buyer's payment page."""

from django import template

from oms.common.models import Connection
from oms.common.work import protocols

register = template.Library()


@register.filter
def paid_through(link: Connection) -> str:
    """What a buyer calls a provider: by its protocol, not by the name that staff gave the connection."""
    known = protocols.known().get(link.protocol)
    return str(known.title) if known else str(link)
