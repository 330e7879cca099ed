"""Addresses and networks that somebody may call from."""

import ipaddress
from functools import lru_cache

from django.core.exceptions import ValidationError
from django.utils.translation import gettext


def validate_network(text: str) -> None:
    """Raises ValidationError unless the text is an address, or a network such as 203.0.113.0/24."""
    try:
        ipaddress.ip_network(text)
    except ValueError as error:
        detail = gettext("%(text)s is no address or network, such as 203.0.113.7 or 203.0.113.0/24.")
        raise ValidationError(detail % {"text": text}) from error


def contains(network: str, address: str) -> bool:
    """Whether the address lies in the network; what is no address lies in none. IPv4 may be written as IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)
    return (mapped or parsed) in _network(network)


@lru_cache(maxsize=4096)
def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    return ipaddress.ip_network(text)
