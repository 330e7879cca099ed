"""Refunds of money that a channel took itself: its system is asked by a webhook, and confirms or refuses by the API.

A refund is asked for only where somebody listens: an endpoint that hears of it, and a credential that may answer. All
others a person sees to, as before.
"""

from collections.abc import Collection, Sequence
from decimal import Decimal

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.models import Topic
from oms.common.work import facts
from oms.merchants.calls import scopes
from oms.merchants.models import ApiCredential, EndpointState, WebhookEndpoint
from oms.merchants.webhooks import endpoints
from orders import actors
from orders.actors import Actor
from orders.locking import lock_order
from orders.models import Order
from orders.telling import timeline
from payments import kinds
from payments.models import Means, NoticeKind, Refund, RefundState
from payments.providers import defaults
from payments.taking import noticing
from payments.taking.judging import PAID_AT_CHANNEL


def listening(order_ids: Collection[int]) -> set[int]:
    """The orders whose channel's merchant has a system that is told of refunds and may answer. Three statements."""
    merchants = dict(Order.objects.filter(pk__in=order_ids).order_by().values_list("pk", "channel__merchant"))
    hearing = {
        endpoint.merchant_id
        for endpoint in WebhookEndpoint.objects.filter(
            merchant__in=set(merchants.values()), state=EndpointState.ENABLED
        )
        if endpoints.hears(endpoint.event_types, kinds.REFUND_ASKED_FOR_NEWS)
    }
    answering = ApiCredential.objects.filter(
        merchant__in=hearing, revoked_at=None, scopes__contains=[scopes.REFUNDS_CONFIRM]
    )
    able = set(answering.order_by().values_list("merchant", flat=True))
    return {order for order, merchant in merchants.items() if merchant in able}


def ask(refunds: Sequence[Refund], *, actor: Actor | None = None) -> None:
    """Ask the channels' systems for these intended refunds; their orders must be locked, and somebody listen."""
    Refund.objects.filter(pk__in=[refund.pk for refund in refunds]).update(
        state=RefundState.REQUESTED, requested_at=timezone.now(), ready_at=None, needs_person_since=None
    )
    timeline.record_all(
        timeline.Entry(
            refund.order_id,
            kinds.REFUND_ASKED_FOR,
            actor or actors.job("owing"),
            {"number": refund.number, "amount": str(refund.amount), "reason": refund.reason},
        )
        for refund in refunds
    )


@transaction.atomic
def confirm(refund_id: int, *, amount: Decimal, transaction_number: str = "", actor: Actor) -> None:
    """The channel sent the money back (yuan), under a number of its own. Said again, it changes nothing.

    Another amount than was asked for is booked as it was, and a person gets a ticket. Raises OmsError where no channel
    gives it back, and where another amount went back before.
    """
    refund = _lock(refund_id)
    if refund.state == RefundState.SUCCEEDED and amount == refund.refunded_amount:
        return
    if refund.state == RefundState.SUCCEEDED:
        raise AnsweredBefore(
            _("%(amount)s yuan of refund %(number)s went back before.")
            % {"amount": refund.refunded_amount, "number": refund.number}
        )
    timeline.record(
        refund.order_id,
        kinds.REFUND_CONFIRMED,
        actor,
        number=refund.number,
        amount=str(amount),
        transaction=transaction_number or "–",
    )
    _apply(refund, NoticeKind.REFUNDED, {"amount": str(amount), "transaction": PAID_AT_CHANNEL})


@transaction.atomic
def refuse(refund_id: int, *, reason: str, actor: Actor) -> None:
    """The channel does not send the money back: a person gets a ticket. Said again, it changes nothing. Raises OmsError
    where no channel gives it back, and where it went back before."""
    refund = _lock(refund_id)
    if refund.state == RefundState.SUCCEEDED:
        raise AnsweredBefore(_("Refund %(number)s went back before.") % {"number": refund.number})
    if refund.state == RefundState.FAILED:
        return
    timeline.record(refund.order_id, kinds.REFUND_REFUSED, actor, number=refund.number, why=reason)
    _apply(refund, NoticeKind.REFUND_FAILED, {})


class AnsweredBefore(OmsError):
    """The channel said something else of the refund before."""

    code = "answered_before"


def _lock(refund_id: int) -> Refund:
    lock_order(Refund.objects.values_list("order_id", flat=True).get(pk=refund_id))
    refund = Refund.objects.select_related("payment").select_for_update(no_key=True, of=("self",)).get(pk=refund_id)
    if refund.payment.means != Means.EXTERNAL:
        raise OmsError(_("The money of this refund is not with the channel: it goes back without you."))
    return refund


def _apply(refund: Refund, kind: NoticeKind, body: dict[str, str]) -> None:
    """What the channel said is a fact like what people record, and counts at once."""
    news = facts.News(
        key=f"{refund.number}:channel:{refund.version}",
        kind=kind,
        subject=refund.number,
        occurred_at=timezone.now(),
        body=body,
    )
    by_hand = defaults.by_hand().pk
    facts.receive(by_hand, Topic.PAYMENT, [news])
    facts.apply_now(noticing.WORK, facts.stored(by_hand, [news.key]), [refund.order_id])
