"""Links by which buyers see where their goods are."""

from datetime import timedelta

from orders.links import OrderLinks

VALID = timedelta(days=180)
_LINKS = OrderLinks("track", "logistics.track", VALID)
path_of, address_of, order_of = _LINKS.path_of, _LINKS.address_of, _LINKS.order_of
