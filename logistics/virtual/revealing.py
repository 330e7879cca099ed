"""Looking at what a buyer of virtual goods got: each look is kept, the first ends that the code could be taken back."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from logistics import kinds
from logistics.models import CodeSale, CodeState, Reveal, VirtualCode, VirtualDelivery
from oms.common import secrecy
from oms.common.errors import OmsError
from orders.actors import Actor
from orders.locking import lock_sub_order
from orders.models import ActorKind
from orders.models.sub_order import ARRIVED
from orders.telling import timeline

# So often a buyer may look at the same good within the time.
MOST_LOOKS, WITHIN = 30, timedelta(hours=1)


class NotThere(OmsError):
    """There is nothing to look at: it was not delivered, or was taken back."""

    code = "not_there"


class TooManyLooks(OmsError):
    """The buyer looked too often; later again."""

    code = "too_many_looks"
    status_code = 429


@dataclass(frozen=True, slots=True)
class Content:
    """What the buyer got for one article: each thing as lines of text. `name` is empty where it is for all of it."""

    name: str
    things: Sequence[Sequence[str]]


@transaction.atomic
def reveal(sub_order_id: int, *, actor: Actor, reason: str = "") -> list[Content]:
    """What the buyer got. The look is kept, and the timeline tells the buyer's first one and each of others'.

    Raises NotThere, TooManyLooks, and OmsError where somebody else than the buyer gives no reason.
    """
    is_buyer = actor.kind == ActorKind.BUYER
    reason = " ".join(reason.split())[:200]
    if not is_buyer and not reason:
        raise OmsError(_("Say why you need to see it."), attr="reason")
    part = lock_sub_order(sub_order_id)
    delivery = VirtualDelivery.objects.select_for_update(of=("self",)).filter(sub_order=part).first()
    if delivery is None or part.state not in ARRIVED:
        raise NotThere(_("There is nothing to look at: %(state)s.") % {"state": part.get_state_display()})
    looks = Reveal.objects.filter(delivery=delivery, actor_kind=ActorKind.BUYER)
    if is_buyer and looks.filter(revealed_at__gt=timezone.now() - WITHIN).count() >= MOST_LOOKS:
        raise TooManyLooks(_("That was looked at too often. Try again later."))
    sales = CodeSale.objects.filter(delivery=delivery, taken_back_at=None).select_related("code", "line__order_line")
    held = list(sales.order_by("line_id", "id"))
    if not held and delivery.content is None:
        raise NotThere(_("There is nothing to look at: %(state)s.") % {"state": _("Taken back")})
    is_first = not is_buyer or not looks.exists()
    Reveal.objects.create(delivery=delivery, actor_kind=actor.kind, actor=actor.name[:80], reason=reason)
    if delivery.revealed_at is None:
        VirtualDelivery.objects.filter(pk=delivery.pk).update(revealed_at=timezone.now())
        codes = VirtualCode.objects.filter(pk__in=[sale.code_id for sale in held], state=CodeState.SOLD)
        codes.update(state=CodeState.REVEALED)
    if is_first:
        kind = kinds.VIRTUAL_SEEN_BY_BUYER if is_buyer else kinds.VIRTUAL_REVEALED
        told: dict[str, Any] = {"number": part.number} if is_buyer else {"number": part.number, "reason": reason}
        timeline.record(part.order_id, kind, actor, sub_order_id=part.pk, **told)
    return _contents(delivery, held)


def _contents(delivery: VirtualDelivery, held: Sequence[CodeSale]) -> list[Content]:
    by_line: dict[int, list[CodeSale]] = {}
    for sale in held:
        by_line.setdefault(sale.line_id, []).append(sale)
    contents = [
        Content(several[0].line.order_line.name, [_opened(sale.code).split("\n") for sale in several])
        for several in by_line.values()
    ]
    if delivery.content is not None:
        contents.append(Content("", [delivery.opened().split("\n")]))
    return contents


def _opened(code: VirtualCode) -> str:
    return secrecy.unseal(code.content)


def unseen(sub_order_ids: Collection[int]) -> set[int]:
    """See `orders.asked.unseen`. What the merchant delivers by itself its buyer may have by other ways."""
    ours = Q(kind=VirtualDelivery.Kind.CODES) | Q(sub_order__order__merchant_delivers=False)
    found = VirtualDelivery.objects.filter(ours, sub_order_id__in=sub_order_ids, revealed_at=None)
    return set(found.values_list("sub_order_id", flat=True))
