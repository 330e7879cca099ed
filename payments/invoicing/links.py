"""Links by which buyers ask for invoices and fetch them."""

from datetime import timedelta

from orders.links import OrderLinks

VALID = timedelta(days=180)
_LINKS = OrderLinks("invoice", "payments.invoicing", VALID)
path_of, address_of, order_of = _LINKS.path_of, _LINKS.address_of, _LINKS.order_of
