"""What a merchant answers of what its warehouses were asked: to stop (a cancellation), or to send at all."""

from collections.abc import Callable

from django.db import transaction
from django.utils.translation import gettext as _

from logistics.by_merchant import kinds, telling, works
from logistics.models.warehouse_order import BEFORE_PACKING
from logistics.warehouses import works as locking
from logistics.warehouses.notices import Notice
from logistics.warehouses.works import Work
from oms.common.errors import OmsError
from oms.common.masking import mask_text
from oms.merchants.models import Merchant
from orders.actors import Actor
from orders.telling import timeline


class NotAsked(OmsError):
    """Nobody waits for this answer (any more)."""

    code = "not_asked"


class UnknownWork(OmsError):
    """None of the merchant's warehouses has it."""

    code = "not_found"
    status_code = 404


def answer_stop(merchant: Merchant, number: str, *, is_stopped: bool, text: str = "", actor: Actor) -> None:
    """Say whether the goods of that number (of a warehouse order, or of a sub-order) stay here, as we asked.

    Raises UnknownWork, and NotAsked where it is not to be stopped, or is answered.
    """

    def check(work: Work) -> None:
        if not work.is_asked_to_stop:
            raise NotAsked(_("%(number)s is not to be stopped, or you answered already.") % {"number": work.number})

    notice = Notice.STOPPED if is_stopped else Notice.NOT_STOPPED
    _say(merchant, number, notice, text, check, actor)


def give_back(merchant: Merchant, number: str, *, text: str, actor: Actor) -> None:
    """Say that the goods of that number cannot be sent from the merchant's warehouse: another one is looked for.

    Raises UnknownWork, and NotAsked where it is packed, has left, or is not wanted any more.
    """

    def check(work: Work) -> None:
        if not work.is_current or work.state not in BEFORE_PACKING:
            raise NotAsked(_("%(number)s is packed, has left, or is not wanted any more.") % {"number": work.number})

    _say(merchant, number, Notice.REFUSED, text, check, actor)


@transaction.atomic
def _say(
    merchant: Merchant, number: str, notice: Notice, text: str, check: Callable[[Work], None], actor: Actor
) -> None:
    found = works.named(merchant, {number})
    if not found:
        raise UnknownWork(_("None of your warehouses was asked to send %(number)s.") % {"number": number[:40]})
    (key,) = found.values()
    works.lock_orders([key])
    work = locking.lock([key])[key]
    check(work)
    told = mask_text(text.strip())[:300]
    # Asked a second time, it is answered a second time.
    asked = works.of(merchant).values_list("stop_requested_at", flat=True).get(pk=key)
    mark = f"{notice}:{asked:%Y%m%d%H%M%S%f}" if asked else str(notice)
    telling.tell(work.connection_id, [telling.news(mark, notice, work.number, {"text": told})], [key])
    timeline.record(work.order_id or 0, kinds.ANSWERED, actor, number=work.number, answer=str(notice))
