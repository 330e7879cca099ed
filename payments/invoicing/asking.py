"""What people ask for: an invoice of an order with a title, another title, none, at once, again; and mail once more."""

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from oms.common.work import nudging
from orders.actors import Actor
from orders.intake.bodies import InvoiceBody
from orders.intake.invoices import CheckedInvoice
from orders.locking import lock_order
from orders.models import InvoiceRequest
from orders.models.order import OrderState
from orders.telling import timeline
from payments import kinds
from payments.invoicing import cards, commission, wishes
from payments.invoicing.writing import cancel
from payments.models import ISSUED_INVOICES, OFFSETTABLE, BalanceAccount, Invoice, InvoiceState

# Of a title only how the invoice reaches the buyer; another one of these is no other title.
_DELIVERY = ("email", "phone")


@transaction.atomic
def ask(order_id: int, wish: InvoiceBody, *, actor: Actor) -> InvoiceRequest:
    """Keep what the buyer of an order asks for, or another title: then invoices that were issued are taken back, and
    new ones issued. Raises wishes.Wrong, and OmsError for an order that ended elsewhere or was cancelled.
    """
    order = lock_order(order_id)
    if order.is_historical or order.state == OrderState.CANCELLED:
        raise OmsError(_("Nothing of this order can be invoiced."))
    new = wishes.checked(wish)
    known = InvoiceRequest.objects.select_for_update(no_key=True).filter(order=order).first()
    if known is None:
        request = InvoiceRequest.objects.create(order=order, **new.columns())
        timeline.record(order_id, kinds.INVOICE_ASKED, actor)
    else:
        request = known
        _change(request, new, actor)
    nudging.nudge("invoice")
    return request


def _change(request: InvoiceRequest, new: CheckedInvoice, actor: Actor) -> None:
    """What changed of the wish; its old and new values stay readable for who may see them."""
    old = {"kind": request.kind, "title_type": request.title_type, **request.details}
    now = {"kind": new.kind, "title_type": new.title_type, **new.details}
    changes = {name: (old[name], now[name]) for name in now if old[name] != now[name]}
    if not changes and not request.is_withdrawn:
        raise OmsError(_("Nothing is different from what was asked for."))
    is_other_title = bool(changes.keys() - set(_DELIVERY))
    InvoiceRequest.objects.filter(pk=request.pk).update(
        **new.columns(),
        title_version=F("title_version") + int(is_other_title),
        is_withdrawn=False,
        due_since=Now(),
    )
    timeline.record(request.order_id, kinds.INVOICE_ASKED, actor, changes=changes)


@transaction.atomic
def withdraw(order_id: int, *, actor: Actor) -> None:
    """No invoice of the order is wanted any more: those that were issued are taken back. Raises OmsError where none is
    asked for."""
    _update(order_id, is_withdrawn=True)
    timeline.record(order_id, kinds.INVOICE_WITHDRAWN, actor)


@transaction.atomic
def issue_now(order_id: int, *, actor: Actor) -> None:
    """Invoice the order without waiting until its goods are there. Raises OmsError where no invoice is asked for."""
    _update(order_id, issues_now=True)


@transaction.atomic
def look_again(order_id: int) -> None:
    """Work out once more what is to be invoiced, once what was missing was said. Raises OmsError where nothing is
    asked for."""
    _update(order_id)


@transaction.atomic
def take_back(invoice_id: int, *, issue_anew: bool, actor: Actor) -> None:
    """Take an issued invoice back: to issue the order's invoices anew (they were made out wrongly), or because none is
    wanted. That of a gift card is only taken back. Raises OmsError for one that is not issued, and for a merchant's."""
    invoice = Invoice.objects.get(pk=invoice_id)
    if invoice.card_id:
        cards.take_back(invoice_id, by=actor.name)
        return
    if invoice.order_id is None:
        raise OmsError(_("The invoice of a commission is taken back by the statements that follow."))
    lock_order(invoice.order_id)
    invoice = Invoice.objects.select_for_update(no_key=True, of=("self",)).get(pk=invoice_id)
    if invoice.is_red or invoice.state not in OFFSETTABLE:
        raise OmsError(_("Only an issued invoice of which something is left is taken back."))
    if issue_anew:
        _update(invoice.order_id or 0, title_version=F("title_version") + 1)
    else:
        withdraw(invoice.order_id or 0, actor=actor)


@transaction.atomic
def send_again(invoice_id: int, *, actor: Actor) -> None:
    """Give a refused invoice up and let one take its place, worked out anew and under another number. Raises OmsError
    for one that was not refused."""
    invoice = Invoice.objects.get(pk=invoice_id)
    if invoice.order_id:
        lock_order(invoice.order_id)
    elif invoice.card_id:
        BalanceAccount.objects.locked().get(pk=invoice.card_id)
    invoice = Invoice.objects.select_for_update(no_key=True, of=("self",)).get(pk=invoice_id)
    if invoice.state != InvoiceState.FAILED:
        raise OmsError(_("Only a refused invoice is sent again: %(state)s.") % {"state": invoice.get_state_display()})
    cancel(invoice, by=actor.name)
    if invoice.order_id:
        _update(invoice.order_id)
    elif invoice.card_id:
        cards.again(invoice, by=actor.name)
    elif invoice.statement:
        commission.invoice_merchant(invoice.statement.merchant_id, by=actor.name)


@transaction.atomic
def mail_again(invoice_id: int) -> None:
    """Mail an issued invoice once more. Raises OmsError where there is no address, or nothing to mail."""
    invoice = Invoice.objects.select_for_update(no_key=True, of=("self",)).get(pk=invoice_id)
    if invoice.state not in ISSUED_INVOICES:
        raise OmsError(_("It is not issued yet."))
    if not email_of(invoice):
        raise OmsError(_("Nobody gave an e-mail address."))
    invoice.mail_due_since = timezone.now()
    invoice.save(update_fields=["mail_due_since"])
    nudging.nudge("mail_invoice")


def email_of(invoice: Invoice) -> str:
    """Where the invoice is mailed: as is asked for now, else as it was when it was asked for."""
    request = InvoiceRequest.objects.filter(order=invoice.order_id).first() if invoice.order_id else None
    return (request.details["email"] if request else "") or invoice.details["email"]


def _update(order_id: int, **values: object) -> None:
    lock_order(order_id)
    if not InvoiceRequest.objects.filter(order=order_id).update(due_since=Now(), **values):
        raise OmsError(_("No invoice of this order is asked for."))
    nudging.nudge("invoice")
