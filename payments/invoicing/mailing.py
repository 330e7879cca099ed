"""The stage that mails issued invoices to who asked for them, with the document where it is there.

A mail is claimed by lease before it is sent: two workers never send the same. A worker that dies in between may have
sent it; then it is sent once more, since an invoice twice is better than none.
"""

import logging

from django.conf import settings
from django.core.mail import EmailMessage
from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import override

from oms.common import outbound, tickets
from oms.common.masking import describe
from oms.common.models import TicketResult
from oms.common.tickets import Trouble
from oms.common.work.claiming import Stage
from payments.invoicing import documents, links, troubles
from payments.invoicing.asking import email_of
from payments.invoicing.writing import step
from payments.models import Invoice, StepKind

logger = logging.getLogger(__name__)

# A mail that waits for its document is sent without it after so long; one that failed is tried again as late.
PATIENCE_SECONDS = 600
_DUE = f"""
    FROM payments_invoice i WHERE i.mail_due_since <= now() AND {outbound.MAY_GO_OUT}
      AND (i.document_url = '' OR i.mail_due_since < now() - make_interval(secs => {PATIENCE_SECONDS})
           OR EXISTS (SELECT FROM payments_invoicedocument d WHERE d.invoice_id = i.id))
    ORDER BY i.mail_due_since
"""


def run(limit: int) -> int:
    """Mail up to `limit` invoices; returns how many were claimed."""
    claimed = 0
    while claimed < limit and (key := _claim()) is not None:
        claimed += 1
        _mail(Invoice.objects.select_related("order", "issuer").get(pk=key))
    return claimed


def _claim() -> int | None:
    """One that is due, put off for others until it is sent."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            UPDATE payments_invoice SET mail_due_since = now() + make_interval(secs => {PATIENCE_SECONDS})
            WHERE id = (SELECT i.id {_DUE} LIMIT 1 FOR NO KEY UPDATE OF i SKIP LOCKED) RETURNING id
            """
        )
        row = cursor.fetchone()
        return row[0] if row else None


def _mail(invoice: Invoice) -> None:
    address = email_of(invoice)
    try:
        if address:
            message_to(invoice, address).send()
    except Exception as error:
        # Shown to people; it is not tried by itself again, since a wrong address stays wrong.
        logger.warning("invoice %s could not be mailed: %s", invoice.number, describe(error))
        _note_failure(invoice, describe(error))
        return
    with transaction.atomic():
        sent = Invoice.objects.filter(pk=invoice.pk)
        sent.update(mail_due_since=None, **({"mailed_at": timezone.now()} if address else {}))
        if address:
            step(invoice, StepKind.MAILED, by="mail_invoice")
        tickets.close_tickets([troubles.MAIL_FAILED], [invoice.pk], result=TicketResult.DONE)


@transaction.atomic
def _note_failure(invoice: Invoice, error: str) -> None:
    Invoice.objects.filter(pk=invoice.pk).update(mail_due_since=None)
    trouble = Trouble(invoice.pk, values={"number": invoice.number, "error": error}, about_id=invoice.order_id)
    tickets.open_tickets(troubles.MAIL_FAILED, [trouble], opened_by="mail_invoice")


def message_to(invoice: Invoice, address: str) -> EmailMessage:
    """The mail with an invoice, in the site's language."""
    with override(settings.LANGUAGE_CODE):
        values = {
            "number": invoice.official_number,
            "amount": f"{invoice.amount:.2f}",
            "issuer": invoice.issuer.name,
            "order": invoice.order.number if invoice.order else invoice.number,
        }
        subject = _("Red invoice %(number)s") if invoice.is_red else _("Invoice %(number)s")
        text = _("%(issuer)s issued invoice %(number)s of %(amount)s yuan for order %(order)s.")
        lines = [text % values]
        if invoice.order and settings.PUBLIC_URL:
            lines.append(_("You find your invoices here: %(link)s") % {"link": links.address_of(invoice.order)})
        message = EmailMessage(subject % values, "\n\n".join(lines), to=[address])
    document = documents.of(invoice)
    if document:
        message.attach(document.name, document.content, document.media_type)
    return message


def backlog() -> str:
    """Invoices that are to be mailed."""
    return f"SELECT * FROM (SELECT i.mail_due_since AS due, false AS needs_person {_DUE}) AS waiting"


STAGE = Stage("mail_invoice", run, backlog=backlog)
