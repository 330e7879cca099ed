"""What payments are called: by their order, and by their place among its payments."""

from orders.models import Order
from payments.models import Payment


def number(order: Order, place: int) -> str:
    """The number of the payment at that place (from 1) among the order's."""
    return f"{order.number}-P{place}"


def next_number(order: Order) -> str:
    """The number of the next payment of a locked order. One statement."""
    return number(order, Payment.objects.filter(order=order).count() + 1)
