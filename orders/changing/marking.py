"""The seller's memo and flag on an order: marks for people, which change nothing else."""

from django.db import transaction
from django.db.models import F

from oms.common.errors import WrongFields
from orders import kinds, timeline
from orders.actors import Actor
from orders.intake.refusals import Refusals
from orders.intake.terms import check_flag, check_memo
from orders.locking import lock_order
from orders.models import Order, OrderTerms
from orders.models.terms import Flag


@transaction.atomic
def mark(
    order_id: int,
    *,
    seller_memo: str | None = None,
    flag: int | None = None,
    actor: Actor,
    version: int | None = None,
) -> Order:
    """Change the memo, the flag or both; None leaves as it is. Raises WrongFields and ChangedMeanwhile."""
    order = lock_order(order_id, version=version)
    wrong = Refusals()
    check_memo(seller_memo or "", wrong)
    check_flag(flag or 0, wrong)
    if wrong:
        raise WrongFields(wrong)
    terms = OrderTerms.objects.filter(order=order).first() or OrderTerms(order=order)
    memo = terms.seller_memo if seller_memo is None else seller_memo.strip()
    colour = terms.flag if flag is None else flag
    if (memo, colour) == (terms.seller_memo, terms.flag):
        return order
    changes = {"seller_memo": (terms.seller_memo, memo)} if memo != terms.seller_memo else {}
    OrderTerms.objects.update_or_create(order=order, defaults={"seller_memo": memo, "flag": colour})
    # What is beside the order is a part of it: who read it before must read it again.
    Order.objects.filter(pk=order_id).update(remark=F("remark"))
    timeline.record(order_id, kinds.MARKED, actor, changes=changes, flag=Flag(colour).name.lower())
    return Order.objects.get(pk=order_id)
