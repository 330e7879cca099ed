"""What money says against preparing an order's goods: refunds under way, and what buyers contest."""

from collections.abc import Collection, Iterable

from django.db.models import Q, QuerySet

from orders.asked import after_sales
from orders.asked.after_sales import Objection, Part
from payments.models import Dispute, GrantKind, Refund, RefundReason
from payments.models.dispute import OPEN_DISPUTES
from payments.models.refund import OPEN_REFUNDS


def _refunds(order_ids: Collection[int]) -> QuerySet[Refund]:
    return Refund.objects.filter(order__in=order_ids, state__in=OPEN_REFUNDS).order_by()


def _refunding(order_ids: Collection[int]) -> Collection[int]:
    return _refunds(order_ids).values_list("order_id", flat=True).distinct()


def _parts_refunded(order_ids: Collection[int]) -> Iterable[Part]:
    """Where units are paid back, their sub-orders. Money beside the price, for units that are cancelled already, or
    that was paid twice, is about none that are still to be sent."""
    open_refunds = _refunds(order_ids).filter(Q(reason=RefundReason.CHARGED_BACK) | Q(grant__kind=GrantKind.RETURN))
    rows = open_refunds.values_list(
        "order_id", "grant__return_request__sub_order_id", "grant__lines__sub_order_line__sub_order_id"
    )
    return [Part(order_id, of_return or of_line) for order_id, of_return, of_line in rows]


def _disputed(order_ids: Collection[int]) -> Collection[int]:
    disputes = Dispute.objects.filter(order__in=order_ids, state__in=OPEN_DISPUTES)
    return disputes.order_by().values_list("order_id", flat=True).distinct()


def register() -> None:
    """Make the app's objections known."""
    after_sales.register(Objection.REFUNDING, _refunding, _parts_refunded)
    after_sales.register(Objection.DISPUTED, _disputed)
