"""Writing off what an exchange left unpaid: the new goods are with the buyer, and those that should pay for them do not
come, or gave less."""

from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.models import TicketResult
from oms.common.money import yuan
from orders.actors import Actor
from orders.models import Exchange
from orders.returning import deciding, kinds, locking
from orders.returning.locking import lock_return
from payments.exchanging import following
from payments.ledger import posting


@transaction.atomic
def write_off(return_id: int, *, reason: str, actor: Actor, version: int | None = None) -> Exchange:
    """Nobody is to pay what is missing any more: the platform bears it. Raises OmsError for an empty reason, NotNow
    where nothing is missing, ChangedMeanwhile."""
    row = lock_return(return_id, version=version)
    why = deciding.given(reason)
    exchange = Exchange.objects.select_related("new_order", "return_request").filter(pk=return_id).first()
    short = following.missing(exchange) if exchange is not None else 0
    if exchange is None or not short:
        raise locking.NotNow(_("Nothing is missing of an exchange of this return."))
    exchange.written_off = Decimal(exchange.written_off) + yuan(short)
    exchange.save(update_fields=["written_off"])
    locking.save(row, kinds.EXCHANGE_WRITTEN_OFF, actor, amount=str(yuan(short)), why=why)
    posting.post_missing([row.order_id])
    tickets.close_tickets([following.EXCHANGE_UNPAID], [row.pk], result=TicketResult.DONE, closed_by=actor.name)
    return exchange
