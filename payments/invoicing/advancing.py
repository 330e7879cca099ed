"""The stage that talks to invoice services: each invoice's next step, connection by connection.

A request is sent, what became of it is asked, and the document fetched. Unknown is never taken for a refusal: the same
number is asked again, which the service recognises; only a person sends what was refused again, under a new number.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max
from django.utils import timezone

from oms.common import tickets
from oms.common.masking import mask_text
from oms.common.models import Connection
from oms.common.states import listed
from oms.common.tickets import Trouble
from oms.common.work.calling import Call, Outcomes, outside_stage
from oms.common.work.claiming import Queue
from oms.common.work.singly import one_by_one
from orders import actors
from orders.locking import lock_orders_of
from orders.models.terms import InvoiceKind
from orders.telling import timeline
from payments import kinds
from payments.invoicing import documents, planning, services, troubles
from payments.invoicing.services import Buyer, InvoiceService, Row, Said, Seller, Standing, Submission
from payments.invoicing.words import VOID
from payments.invoicing.writing import step
from payments.models import (
    ISSUED_INVOICES,
    OPEN_INVOICES,
    Invoice,
    InvoiceLine,
    InvoiceState,
    InvoiceStep,
    LineProperty,
    StepKind,
)

_ASKED = (InvoiceState.CONFIRMING, InvoiceState.ISSUING)
# Where waits are skipped, the service's own clock still does not run faster.
QUEUE = Queue(
    Invoice,
    f"q.state IN ({listed([*OPEN_INVOICES, *ISSUED_INVOICES])}) AND q.ready_at IS NOT NULL",
    unless=f"q.state IN ({listed(_ASKED)}) AND q.ready_at > now()",
)
# A question is repeated when as long again has passed as since the invoice's last step, within these bounds: one that
# could not be sent for hours is asked for as soon as any other, once it is.
SHORTEST, LONGEST = timedelta(seconds=5), timedelta(minutes=30)
# What the service does not know so long after it was sent it never got, though it said so.
NEVER_CAME = timedelta(minutes=10)
_ACTOR = "send_invoice"


@dataclass(frozen=True, slots=True)
class Task:
    """An invoice and what it says; `asked_before`: an answer may have been lost."""

    reference: str
    state: InvoiceState
    is_red: bool
    asked_before: bool
    document_url: str
    submission: Submission


def _prepare(keys: Sequence[int]) -> dict[int, Task]:
    found = Invoice.objects.filter(pk__in=keys).select_related("issuer", "of_invoice", "order", "statement", "card")
    rows: dict[int, list[InvoiceLine]] = {}
    for line in InvoiceLine.objects.filter(invoice__in=keys).select_related("of_line").order_by("position"):
        rows.setdefault(line.invoice_id, []).append(line)
    return {invoice.pk: _task(invoice, rows[invoice.pk]) for invoice in found}


def _task(invoice: Invoice, lines: Sequence[InvoiceLine]) -> Task:
    issuer, details = invoice.issuer, invoice.details
    submission = Submission(
        number=invoice.number,
        is_special=invoice.kind == InvoiceKind.SPECIAL,
        seller=Seller(
            issuer.name,
            issuer.tax_number,
            issuer.address,
            issuer.phone,
            f"{issuer.bank_name} {issuer.bank_account}".strip(),
            issuer.clerk,
        ),
        buyer=Buyer(
            details["title"],
            details["tax_number"],
            details["address"],
            details["phone"],
            f"{details['bank_name']} {details['bank_account']}".strip(),
        ),
        rows=[_row(line) for line in lines],
        remark=invoice.about,
        blue_number=invoice.of_invoice.official_number if invoice.of_invoice else "",
        red_reason=invoice.red_reason,
        is_whole=invoice.of_invoice is not None and invoice.amount == -invoice.of_invoice.amount,
    )
    # The lease that it is claimed by now counted once already.
    return Task(
        invoice.number,
        InvoiceState(invoice.state),
        invoice.is_red,
        invoice.lease_token > 1,
        invoice.document_url,
        submission,
    )


def _row(line: InvoiceLine) -> Row:
    is_red = line.of_line is not None and line.property == LineProperty.NORMAL
    return Row(
        position=line.of_line.position if line.of_line and is_red else line.position,
        property=line.property,
        name=line.name,
        tax_code=line.tax_code,
        tax_rate=line.tax_rate,
        tax_mark=line.tax_mark,
        quantity=line.quantity,
        net=line.net_amount,
        tax=line.tax_amount,
        gross=line.amount,
    )


def _ask(link: Connection, tasks: Sequence[Task]) -> Mapping[str, Said]:
    service = services.get(link.protocol)
    return one_by_one(tasks, lambda task: _next_step(service, task, link))


def _next_step(service: InvoiceService, task: Task, link: Connection) -> Said:
    if task.state == InvoiceState.REQUESTED and not task.is_red:
        return service.submit(task.submission, link)
    if task.state == InvoiceState.REQUESTED:
        found = service.find_confirmation(task.reference, link) if task.asked_before else Said(Standing.MISSING)
        return service.confirm(task.submission, link) if found.standing == Standing.MISSING else found
    if task.state == InvoiceState.CONFIRMING:
        return service.find_confirmation(task.reference, link)
    if task.state == InvoiceState.ISSUING:
        return service.find(task.reference, link)
    return Said(Standing.ISSUED, document=service.download(task.document_url, link))


def _lock_above(keys: Collection[int]) -> None:
    lock_orders_of(Invoice.objects.filter(pk__in=keys))


def _finish(outcomes: Outcomes[Said]) -> None:
    said = {**outcomes.taken, **outcomes.refused}
    steps = InvoiceStep.objects.filter(invoice__in=said).order_by()
    since = dict(steps.values_list("invoice").annotate(Max("created_at")))
    for invoice in Invoice.objects.filter(pk__in=said).order_by("pk"):
        _note(invoice, said[invoice.pk], since.get(invoice.pk, invoice.created_at))


def _note(invoice: Invoice, said: Said, since: datetime) -> None:
    """What was said of a locked invoice, whose last step was then."""
    before = invoice.state
    invoice.lease_until, invoice.attempts, invoice.last_error = None, 0, ""
    invoice.confirmation_state = said.confirmation or invoice.confirmation_state
    changed = ["state", "lease_until", "attempts", "last_error", "confirmation_state", "ready_at"]
    now = timezone.now()
    age = now - since
    invoice.ready_at = now + min(max(age, SHORTEST), LONGEST)
    if said.standing == Standing.ISSUED and invoice.state in ISSUED_INVOICES:
        documents.keep(invoice, said.document)
        invoice.ready_at = None
        step(invoice, StepKind.FETCHED, by=_ACTOR)
    elif said.standing == Standing.ISSUED and said.issued_at:
        invoice.issue(official_number=said.official_number, at=said.issued_at, document_url=said.document_url[:500])
        invoice.ready_at = now if invoice.document_url else None
        invoice.mail_due_since = now if invoice.details["email"] else None
        changed += ["official_number", "issued_at", "document_url", "mail_due_since"]
    elif said.standing == Standing.FAILED:
        invoice.fail(mask_text(said.reason) or said.confirmation)
        invoice.ready_at = None
        changed.append("fail_reason")
    elif said.standing == Standing.CONFIRMING and invoice.state == InvoiceState.REQUESTED:
        invoice.ask_to_confirm()
    elif said.standing == Standing.ACCEPTED and invoice.state != InvoiceState.ISSUING:
        invoice.accept()
    elif said.standing == Standing.MISSING and invoice.state == InvoiceState.ISSUING and age > NEVER_CAME:
        invoice.forget()
    if before != invoice.state and invoice.state in OPEN_INVOICES:
        invoice.ready_at = now + SHORTEST
    invoice.save(update_fields=changed)
    if before != invoice.state:
        _tell(invoice)


def _tell(invoice: Invoice) -> None:
    """The history, the order's timeline and people are told of a move."""
    if invoice.state == InvoiceState.ISSUED:
        step(invoice, StepKind.ISSUED, by=_ACTOR, note=invoice.official_number)
        _take_off(invoice)
        _record(invoice)
    elif invoice.state == InvoiceState.FAILED:
        step(invoice, StepKind.FAILED, by=_ACTOR, note=invoice.fail_reason)
        values = {"number": invoice.number, "amount": str(invoice.amount), "reason": invoice.fail_reason}
        why = f"red_{invoice.fail_reason}" if invoice.fail_reason in VOID else "red" if invoice.is_red else ""
        trouble = Trouble(invoice.pk, why, values, invoice.order_id)
        tickets.open_tickets(troubles.INVOICE_REFUSED, [trouble], opened_by=_ACTOR)
        _record(invoice)
    elif invoice.state == InvoiceState.CONFIRMING:
        step(invoice, StepKind.CONFIRMING, by=_ACTOR)
    elif invoice.state == InvoiceState.ISSUING:
        step(invoice, StepKind.SENT, by=_ACTOR)
    if invoice.order_id and invoice.state in (InvoiceState.ISSUED, InvoiceState.FAILED):
        planning.mark([invoice.order_id])


def _take_off(red: Invoice) -> None:
    """Once a red invoice is issued, the blue one is offset, wholly or partly."""
    if red.of_invoice_id is None:
        return
    blue = Invoice.objects.select_for_update(no_key=True, of=("self",)).get(pk=red.of_invoice_id)
    reds = blue.reds.filter(state=InvoiceState.ISSUED).exclude(pk=red.pk)
    if blue.amount + red.amount + sum(one.amount for one in reds) == 0:
        blue.offset()
    elif blue.state == InvoiceState.ISSUED:
        blue.offset_partly()
    blue.save(update_fields=["state"])
    step(blue, StepKind.OFFSET, by=_ACTOR, note=red.official_number)


def _record(invoice: Invoice) -> None:
    if invoice.order_id is None:
        return
    actor, number, amount = actors.job(_ACTOR), invoice.number, str(invoice.amount)
    if invoice.state == InvoiceState.FAILED:
        reason = invoice.fail_reason
        timeline.record(invoice.order_id, kinds.INVOICE_FAILED, actor, number=number, amount=amount, reason=reason)
        return
    kind = kinds.INVOICE_RED_ISSUED if invoice.is_red else kinds.INVOICE_ISSUED
    official = invoice.official_number
    timeline.record(invoice.order_id, kind, actor, number=number, amount=amount, official_number=official)


STAGE = outside_stage(
    "send_invoice",
    Call(QUEUE, _prepare, _ask, _finish, lock_above=_lock_above),
    wakes=("invoice", "send_invoice", "mail_invoice"),
)
