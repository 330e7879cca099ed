"""Payment providers, each protocol one module behind one small interface."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from importlib import import_module
from typing import Literal, Protocol

from oms.common.metrics import measured
from oms.common.models import Connection
from oms.common.work.facts import News


@dataclass(frozen=True, slots=True)
class Charge:
    """Money to ask for or to send back: `reference` is our number, the provider's idempotency key. Amounts in yuan.

    For refunds `of` is the reference of the payment that goes back, and `of_amount` what came in by it; where that was
    paid more than once, `transaction` is the provider's number of what goes back. Until `expires_at` the buyer may pay.
    `order` is the order's number, for what the buyer reads.
    """

    reference: str
    amount: Decimal
    of: str = ""
    of_amount: Decimal | None = None
    order: str = ""
    expires_at: datetime | None = None
    transaction: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a provider said at once: taken, or refused with a reason. Not being in the answers means: unknown.

    `code` is what the buyer's app reads from a QR code in order to pay.
    """

    taken: bool
    reason: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Question:
    """What became of a payment (`reference`), or of a refund of the payment `of`? `version` of our row tells one
    attempt from the next; `transaction` is as for a charge."""

    reference: str
    of: str = ""
    version: int = 0
    transaction: str = ""


class Standing(StrEnum):
    """How something stands at the provider."""

    WAITING = "waiting"
    DONE = "done"  # paid, or refunded
    FAILED = "failed"  # closed unpaid, or not refunded
    MISSING = "missing"  # the provider does not know it (yet)


@dataclass(frozen=True, slots=True)
class Found:
    """How something stands, and the fact to be stored where that is news. An answer like any other: always taken."""

    standing: Standing
    news: News | None = None
    taken: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Complaint:
    """A complaint of a buyer's at the provider: about which payment (our number), of how much (yuan), in the buyer's
    words, and how it stands. An answer like any other: always taken."""

    payment: str
    amount: Decimal
    text: str
    complained_at: datetime
    is_answered: bool
    is_over: bool
    taken: bool = True
    reason: str = ""


class Provider(Protocol):
    """What the OMS needs of a payment provider. The result of a charge comes later, as a fact.

    Asking twice with the same reference has the effect of asking once.
    """

    def request(self, charges: Sequence[Charge], link: Connection) -> dict[str, Answer]:
        """Ask buyers for money over the connection; answers by reference."""

    def refund(self, charges: Sequence[Charge], link: Connection) -> dict[str, Answer]:
        """Send money back over the connection; answers by reference."""


class AnsweringProvider(Provider, Protocol):
    """A provider that also tells what became of a payment or refund when it is asked, and closes unpaid payments.

    Each raises `errors.Unclear`, or httpx.HTTPError, where nothing is known afterwards.
    """

    def find_payment(self, question: Question, link: Connection) -> Found:
        """How a payment stands."""

    def find_refund(self, question: Question, link: Connection) -> Found:
        """How a refund stands."""

    def close(self, question: Question, link: Connection) -> None:
        """Let the buyer pay no more, if that is still possible: ask again afterwards."""

    def complaint(self, question: Question, link: Connection) -> Complaint:
        """How a complaint stands; `reference` of the question is the provider's number of it."""


class BillingProvider(Protocol):
    """A provider that gives out its bills."""

    def bill(self, link: Connection, day: date, forms: Collection[str]) -> Mapping[str, bytes]:
        """The files of the day (in China) in these forms (`models.BillForm`), as far as the provider has them.

        Raises `errors.NotReady` where it has none of them yet, `errors.Refused`, and `errors.Unclear` or
        httpx.HTTPError where what came proves nothing.
        """


class PagedProvider(Protocol):
    """A provider with a page of its own on which a buyer pays."""

    def page(self, charge: Charge, link: Connection, kind: Literal["page", "wap"], *, return_url: str = "") -> str:
        """The address of the page for one charge, in a browser ("page") or on a phone ("wap"); from there the buyer
        comes back to `return_url`. Asks the provider nothing."""


class _FullProvider(AnsweringProvider, BillingProvider, Protocol):
    """A provider that can all of it."""


# The protocols of providers that can be asked, and give out bills.
ANSWERING = ("alipay", "wechat")
# Those of `PagedProvider`.
PAGED = ("alipay",)


def get(protocol: str) -> Provider:
    """The provider that speaks the protocol: the `PROVIDER` of a module of this package."""
    return _provider(protocol)


def get_answering(protocol: str) -> AnsweringProvider:
    """The provider of a protocol that is one of `ANSWERING`."""
    assert protocol in ANSWERING  # noqa: S101 - the caller's queue has no others
    return _provider(protocol)


def get_billing(protocol: str) -> BillingProvider | None:
    """The provider of the protocol, where it gives out bills; None for all other protocols."""
    return _provider(protocol) if protocol in ANSWERING else None


def get_paged(protocol: str) -> PagedProvider | None:
    """The provider of the protocol, where it has a page on which buyers pay; None for all other protocols."""
    return import_module(f"payments.providers.{protocol}").PROVIDER if protocol in PAGED else None


def _provider(protocol: str) -> "_FullProvider":
    return measured(import_module(f"payments.providers.{protocol}").PROVIDER, system="payment", name=protocol)
