"""The documents of issued invoices: kept sealed as the service gave them, read by who may."""

import base64
import hashlib
from dataclasses import dataclass

from oms.common.secrecy import seal, unseal
from payments.models import Invoice, InvoiceDocument

PDF = "application/pdf"


@dataclass(frozen=True, slots=True)
class Document:
    """A file, its media type, and a name to save it under."""

    content: bytes
    media_type: str
    name: str


def keep(invoice: Invoice, content: bytes) -> None:
    """Keep the PDF of an invoice, unless it is kept already."""
    InvoiceDocument.objects.get_or_create(
        invoice=invoice,
        defaults={
            "content": seal(base64.b64encode(content).decode()),
            "media_type": PDF,
            "digest": hashlib.sha256(content).hexdigest(),
        },
    )


def of(invoice: Invoice) -> Document | None:
    """The document of the invoice; None before it was fetched. Raises InvalidToken where no key opens it."""
    kept = InvoiceDocument.objects.filter(invoice=invoice).first()
    if kept is None:
        return None
    return Document(base64.b64decode(unseal(kept.content)), kept.media_type, f"{invoice}.pdf")
