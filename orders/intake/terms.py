"""Checking the wishes and terms of an order (`orders.models.terms`), and the rows that keep them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec
from django.utils.translation import gettext as _

from oms.common import secrecy
from orders.intake.bodies import OrderBody
from orders.intake.invoices import CheckedInvoice, check_invoice
from orders.intake.refusals import EARLIEST, Refusals
from orders.models.terms import MOST_FLAGS, CarrierClass

MOST_KEYS, LONGEST_VALUE, MOST_BYTES = 50, 500, 8 * 1024
LONGEST_MEMO, LONGEST_TOKEN, LONGEST_MERGE_KEY = 500, 500, 100
KEY = re.compile(r"[A-Za-z0-9_.-]{1,40}", re.ASCII)
MOMENTS = ("ship_not_before", "delivery_from", "delivery_until", "ship_by", "collect_by", "sign_by")
_LONGEST_AHEAD = timedelta(days=2 * 366)


@dataclass(frozen=True, slots=True)
class KnownCarrier:
    """A carrier that a channel may wish for."""

    code: str
    name: str
    carrier_class: str
    is_active: bool


_directories: list[Callable[[], Sequence[KnownCarrier]]] = []


def register_carriers(directory: Callable[[], Sequence[KnownCarrier]]) -> None:
    """Let an upper app say which carriers there are. They are read only for orders that wish for one."""
    _directories[:] = [directory]


def known_carriers() -> list[KnownCarrier]:
    """The carriers that there are."""
    return [carrier for directory in _directories for carrier in directory()]


def carriers_in_use() -> list[str]:
    """The codes of the carriers that can be asked."""
    return [carrier.code for carrier in known_carriers() if carrier.is_active]


@dataclass(frozen=True, slots=True)
class CheckedTerms:
    """Wishes and terms that may be stored, with the columns of `orders_orderterms`."""

    body: OrderBody

    def columns(self) -> Mapping[str, object]:
        """The values to store, without the order's id."""
        body = self.body
        return {
            **{name: getattr(body, name) for name in MOMENTS},
            "carrier": body.carrier,
            "carrier_class": body.carrier_class,
            "receiver_token": secrecy.seal(body.receiver_token).decode() if body.receiver_token else "",
            "merge_key": body.merge_key,
            "seller_memo": body.seller_memo,
            "flag": body.flag,
            "metadata": body.metadata,
        }


def has_terms(body: OrderBody) -> bool:
    """Whether the order comes with any wishes or terms."""
    return bool(
        body.metadata
        or body.seller_memo
        or body.flag
        or body.receiver_token
        or body.merge_key
        or body.carrier
        or body.carrier_class
        or body.ship_not_before
        or body.delivery_from
        or body.delivery_until
        or body.ship_by
        or body.collect_by
        or body.sign_by
    )


def check_terms(
    body: OrderBody, wrong: Refusals, *, is_history: bool
) -> tuple[CheckedTerms | None, CheckedInvoice | None]:
    """The order's wishes and terms, and the invoice that is asked for; None for what it has not. An order of the past
    may have wished for a carrier that is gone."""
    invoice = check_invoice(body.invoice, wrong) if body.invoice is not None else None
    if not has_terms(body):
        return None, invoice
    _check_moments(body, wrong, is_history=is_history)
    _check_carrier(body, wrong, is_history=is_history)
    if body.receiver_token:
        wrong.text("receiver_token", body.receiver_token, LONGEST_TOKEN)
    if body.merge_key:
        wrong.text("merge_key", body.merge_key, LONGEST_MERGE_KEY)
    check_memo(body.seller_memo, wrong)
    check_flag(body.flag, wrong)
    check_metadata(body.metadata, wrong)
    return CheckedTerms(body), invoice


def check_memo(memo: str, wrong: Refusals) -> None:
    """Note what is wrong with a seller's memo; it may have several lines."""
    wrong.text("seller_memo", memo.replace("\r\n", " ").replace("\n", " "), LONGEST_MEMO, required=False)


def check_flag(flag: int, wrong: Refusals) -> None:
    """Note it if this is no flag."""
    if not 0 <= flag <= MOST_FLAGS:
        wrong.add("flag", "invalid_choice", _("Give a number from 0 (none) to %(most)d.") % {"most": MOST_FLAGS})


def _check_moments(body: OrderBody, wrong: Refusals, *, is_history: bool) -> None:
    right: dict[str, datetime] = {}
    now = datetime.now(UTC)
    for name in MOMENTS:
        moment: datetime | None = getattr(body, name)
        if moment is None:
            continue
        text = _("The time lies before the year 2000, or more than two years ahead.")
        if wrong.between(name, moment, EARLIEST, now + _LONGEST_AHEAD, text):
            right[name] = moment
    begins, ends = right.get("delivery_from"), right.get("delivery_until")
    if begins and ends and begins >= ends:
        wrong.add("delivery_until", "before_its_beginning", _("The time of delivery must end after it begins."))
    latest = ends or begins
    if latest is None or is_history:
        return
    attr = "delivery_until" if ends else "delivery_from"
    if latest <= now:
        wrong.add(attr, "in_the_past", _("Nothing can be delivered then any more; give a later time, or none."))
    presale = right.get("ship_not_before")
    if presale and latest <= presale:
        wrong.add(attr, "before_it_ships", _("It is not shipped before `ship_not_before`; give a later time."))


def _check_carrier(body: OrderBody, wrong: Refusals, *, is_history: bool) -> None:
    if body.carrier and body.carrier_class:
        wrong.add("carrier_class", "two_wishes", _("Wish for a carrier or for a kind of carrier, not for both."))
    if body.carrier_class and not wrong.choice("carrier_class", body.carrier_class, CarrierClass.values):
        return
    if not (body.carrier or body.carrier_class):
        return
    if is_history:
        wrong.text("carrier", body.carrier, 20, required=False)
        return
    known = [carrier for directory in _directories for carrier in directory()]
    active = [carrier for carrier in known if carrier.is_active]
    codes = ", ".join(carrier.code for carrier in active) or "–"
    if body.carrier and body.carrier not in {carrier.code for carrier in active}:
        if body.carrier in {carrier.code for carrier in known}:
            detail = _("Carrier %(code)s carries nothing for us now. Known ones: %(codes)s.")
            wrong.add("carrier", "inactive_carrier", detail % {"code": body.carrier, "codes": codes})
        else:
            detail = _("There is no carrier %(code)s. Known ones: %(codes)s.")
            wrong.add("carrier", "unknown_carrier", detail % {"code": body.carrier[:20], "codes": codes})
    elif body.carrier_class and body.carrier_class not in {carrier.carrier_class for carrier in active}:
        detail = _("No carrier of this kind carries for us now. Known ones: %(codes)s.")
        wrong.add("carrier_class", "no_such_carrier", detail % {"codes": codes})


def check_metadata(metadata: Mapping[str, str], wrong: Refusals) -> None:
    """Note what is wrong with an order's metadata as a whole."""
    if len(metadata) > MOST_KEYS:
        wrong.add("metadata", "too_many_keys", _("At most %(most)d keys.") % {"most": MOST_KEYS})
        return
    for key, value in metadata.items():
        if not KEY.fullmatch(key):
            detail = _("A key has 1 to 40 letters, digits or _ . -")
            wrong.add("metadata", "invalid_key", detail)
        elif len(value) > LONGEST_VALUE:
            detail = _("At most %(longest)d characters.") % {"longest": LONGEST_VALUE}
            wrong.add(f"metadata.{key}", "too_long", detail)
        elif "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            wrong.add(f"metadata.{key}", "control_character", _("Remove the control characters."))
    if len(msgspec.json.encode(metadata)) > MOST_BYTES:
        detail = _("All keys and values together have at most %(most)d bytes.") % {"most": MOST_BYTES}
        wrong.add("metadata", "too_large", detail)
