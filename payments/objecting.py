"""What money says against preparing an order's goods: refunds under way, and what buyers contest."""

from collections.abc import Collection

from orders.asked import after_sales
from orders.asked.after_sales import Objection
from payments.models import Dispute, Refund
from payments.models.dispute import OPEN_DISPUTES
from payments.models.refund import OPEN_REFUNDS


def _refunding(order_ids: Collection[int]) -> Collection[int]:
    refunds = Refund.objects.filter(order__in=order_ids, state__in=OPEN_REFUNDS)
    return refunds.order_by().values_list("order_id", flat=True).distinct()


def _disputed(order_ids: Collection[int]) -> Collection[int]:
    disputes = Dispute.objects.filter(order__in=order_ids, state__in=OPEN_DISPUTES)
    return disputes.order_by().values_list("order_id", flat=True).distinct()


def register() -> None:
    """Make the app's objections known."""
    after_sales.register(Objection.REFUNDING, _refunding)
    after_sales.register(Objection.DISPUTED, _disputed)
