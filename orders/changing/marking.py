"""The seller's memo, flag and metadata on an order: marks for people and programs, which change nothing else."""

from collections.abc import Mapping

from django.db import transaction

from oms.common.errors import WrongFields
from orders import kinds
from orders.actors import Actor
from orders.intake.refusals import Refusals
from orders.intake.terms import check_flag, check_memo, check_metadata
from orders.locking import lock_order, mark_changed
from orders.models import Order, OrderTerms
from orders.models.terms import Flag
from orders.telling import timeline


@transaction.atomic
def mark(
    order_id: int,
    *,
    seller_memo: str | None = None,
    flag: int | None = None,
    metadata: Mapping[str, str | None] | None = None,
    actor: Actor,
    version: int | None = None,
) -> Order:
    """Change what is given; None leaves as it is. Of the metadata the keys that are given are set, and those with None
    removed; the others stay. Raises WrongFields and ChangedMeanwhile."""
    order = lock_order(order_id, version=version)
    terms = OrderTerms.objects.filter(order=order).first() or OrderTerms(order=order)
    given = metadata or {}
    kept = {key: value for key, value in {**terms.metadata, **given}.items() if value is not None}
    wrong = Refusals()
    check_memo(seller_memo or "", wrong)
    check_flag(flag or 0, wrong)
    check_metadata(kept, wrong)
    if wrong:
        raise WrongFields(wrong)
    memo = terms.seller_memo if seller_memo is None else seller_memo.strip()
    colour = terms.flag if flag is None else flag
    keys = sorted(key for key in given if terms.metadata.get(key) != kept.get(key))
    is_marked = (memo, colour) != (terms.seller_memo, terms.flag)
    if not (is_marked or keys):
        return order
    OrderTerms.objects.update_or_create(order=order, defaults={"seller_memo": memo, "flag": colour, "metadata": kept})
    # What is beside the order is a part of it: who read it before must read it again.
    mark_changed(order_id)
    if is_marked:
        changes = {"seller_memo": (terms.seller_memo, memo)} if memo != terms.seller_memo else {}
        timeline.record(order_id, kinds.MARKED, actor, changes=changes, flag=Flag(colour).name.lower())
    if keys:
        changes = {f"metadata.{key}": (terms.metadata.get(key, ""), kept.get(key, "")) for key in keys}
        timeline.record(order_id, kinds.METADATA_CHANGED, actor, changes=changes, keys=keys)
    return Order.objects.get(pk=order_id)
