"""Why something is cancelled: a reason of the list, a text, or both."""

from dataclasses import dataclass
from enum import StrEnum

from django.db import models
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from orders.models import CancelReason
from orders.models.amounts import Bearer

LONGEST = 200


class Audience(StrEnum):
    """Who chooses a reason; the field of `CancelReason` that lets them."""

    STAFF = "for_staff"
    MERCHANTS = "for_merchants"
    BUYERS = "for_buyers"


@dataclass(frozen=True, slots=True)
class Why:
    """Why something is cancelled. `text` is what was typed, or else how the reason of the list is called; `code` that
    reason's code, and `cause` its name, where one was chosen."""

    text: str
    code: str = ""
    cause: str = ""


def understood(reason: "str | Why") -> Why:
    """The reason, bounded. Raises OmsError where there is none."""
    why = reason if isinstance(reason, Why) else Why(reason)
    text = why.text.strip()[:LONGEST]
    if not text:
        raise OmsError(_("Give a reason for the cancellation."), attr="reason")
    return Why(text, why.code, why.cause)


def chosen(code: str, text: str, audience: Audience) -> Why:
    """The reason that was chosen from the list, or typed, or both.

    Raises OmsError for a code that this audience cannot choose, naming those that it can, and where there is neither.
    """
    if not code:
        return understood(text)
    row = CancelReason.objects.filter(code=code, is_active=True, **{audience.value: True}).first()
    if row is None:
        known = ", ".join(choices(audience).values_list("code", flat=True))
        raise OmsError(_("There is no such reason. There are: %(known)s.") % {"known": known}, attr="reason_code")
    # The shipped ones are worded when they are shown; what staff call theirs stays.
    name = row.name or row.code
    return understood(Why(text.strip() or name, row.code, name))


def choices(audience: Audience) -> models.QuerySet[CancelReason]:
    """The reasons that this audience can choose."""
    return CancelReason.objects.filter(is_active=True, **{audience.value: True}).order_by("code")


# The reasons of a new installation: who bears it, and whether merchants and buyers may choose it.
_DEFAULTS = (
    ("changed_mind", Bearer.PLATFORM, True, True),
    ("ordered_wrongly", Bearer.PLATFORM, True, True),
    ("out_of_stock", Bearer.MERCHANT, True, False),
    ("too_late", Bearer.PLATFORM, True, True),
    ("price_wrong", Bearer.MERCHANT, True, False),
    ("not_reachable", Bearer.PLATFORM, True, False),
    ("suspicious", Bearer.PLATFORM, False, False),
    ("other", Bearer.PLATFORM, True, True),
)


def install_defaults() -> None:
    """Give a new installation its reasons; does nothing where there are any."""
    if not CancelReason.objects.exists():
        CancelReason.objects.bulk_create(
            CancelReason(code=code, bearer=bearer, for_merchants=for_merchants, for_buyers=for_buyers)
            for code, bearer, for_merchants, for_buyers in _DEFAULTS
        )
