"""Links by which buyers pay."""

from datetime import timedelta

from orders.links import OrderLinks

VALID = timedelta(days=3)
_LINKS = OrderLinks("pay", "payments.pay", VALID)
path_of, address_of, order_of = _LINKS.path_of, _LINKS.address_of, _LINKS.order_of
