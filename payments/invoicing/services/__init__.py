"""Invoice services, each protocol one module behind one small interface."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from importlib import import_module
from typing import Protocol

from oms.common.metrics import measured
from oms.common.models import Connection


@dataclass(frozen=True, slots=True)
class Seller:
    """In whose name an invoice is issued."""

    name: str
    tax_number: str
    address: str = ""
    phone: str = ""
    bank: str = ""
    clerk: str = ""


@dataclass(frozen=True, slots=True)
class Buyer:
    """To whom it is made out."""

    title: str
    tax_number: str = ""
    address: str = ""
    phone: str = ""
    bank: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of an invoice (yuan). `property` is the bureau's: 0 a line, 1 a discount, 2 a discounted line; `position`
    is its place, of a red line that of the blue line that it takes back."""

    position: int
    property: int
    name: str
    tax_code: str
    tax_rate: Decimal
    tax_mark: str
    quantity: int | None
    net: Decimal
    tax: Decimal
    gross: Decimal


@dataclass(frozen=True, slots=True)
class Submission:
    """An invoice to be issued: `number` is ours, the service's idempotency key. A red one names the bureau's number of
    the blue one and why it is taken back (`models.RedReason`); `is_whole`: all that there was of it."""

    number: str
    is_special: bool
    seller: Seller
    buyer: Buyer
    rows: Sequence[Row]
    remark: str = ""
    blue_number: str = ""
    red_reason: str = ""
    is_whole: bool = False


class Standing(StrEnum):
    """How an invoice, or the confirmation of a red letter, stands at the service."""

    ACCEPTED = "accepted"  # it has the request
    CONFIRMING = "confirming"  # a red letter waits for its confirmation
    WAITING = "waiting"  # being issued
    ISSUED = "issued"
    FAILED = "failed"  # for good
    MISSING = "missing"  # the service does not know it (yet)


@dataclass(frozen=True, slots=True)
class Said:
    """What a service said of an invoice. `confirmation` is the state of a red letter's confirmation, by the bureau's
    codes. Not taken is what failed for good, with the reason."""

    standing: Standing
    reason: str = ""
    official_number: str = ""
    issued_at: datetime | None = None
    document_url: str = ""
    confirmation: str = ""
    document: bytes = b""

    @property
    def taken(self) -> bool:
        """Whether it goes on."""
        return self.standing != Standing.FAILED


class InvoiceService(Protocol):
    """What the OMS needs of an invoice service. Asking twice with the same number has the effect of asking once.

    Each raises `payments.providers.errors.Unclear`, or httpx.HTTPError, where nothing is known afterwards.
    """

    def submit(self, submission: Submission, link: Connection) -> Said:
        """Ask for a blue invoice."""

    def find(self, number: str, link: Connection) -> Said:
        """How the invoice of that number of ours stands."""

    def confirm(self, submission: Submission, link: Connection) -> Said:
        """Ask for the confirmation of a red letter, after which the red invoice is issued by itself."""

    def find_confirmation(self, number: str, link: Connection) -> Said:
        """How the confirmation of that number of ours stands; `ACCEPTED` where the red invoice is on its way."""

    def download(self, address: str, link: Connection) -> bytes:
        """The document at an address that the service named."""


def get(protocol: str) -> InvoiceService:
    """The service that speaks the protocol: the `SERVICE` of a module of this package."""
    service: InvoiceService = import_module(f"payments.invoicing.services.{protocol}").SERVICE
    return measured(service, system="invoice", name=protocol)
