"""What is wrong with an order, collected field by field."""

import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common import phones
from oms.common.errors import FieldError
from oms.common.money import NotAnAmount, to_fen

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
_NOT_PAST = gettext_lazy("The time lies in the future or before the year 2000.")


class Refusals(list[FieldError]):
    """Collects what is wrong, field by field."""

    def add(self, attr: str, code: str, detail: str) -> None:
        """Note one thing that is wrong."""
        self.append(FieldError(attr, code, detail))

    def amount(self, attr: str, value: Decimal, *, is_signed: bool = False) -> int:
        """The amount in fen; 0, and an error, if it is no amount, or negative where it is not signed."""
        try:
            fen = to_fen(value)
        except NotAnAmount:
            self.add(attr, "invalid_amount", _("Give an amount in yuan with at most two places, such as 12.34."))
            return 0
        if fen < 0 and not is_signed:
            self.add(attr, "negative_amount", _("An amount cannot be negative."))
            return 0
        return fen

    def text(self, attr: str, value: str, longest: int, *, required: bool = True) -> None:
        """Note it if the text is blank, too long or has control characters."""
        if required and not value.strip():
            self.add(attr, "blank", _("This field cannot be empty."))
        if len(value) > longest:
            self.add(attr, "too_long", _("At most %(longest)d characters.") % {"longest": longest})
        if not value.isprintable() and _CONTROL.search(value):
            self.add(attr, "control_character", _("Remove the control characters, such as line breaks."))

    def phone(self, attr: str, value: str) -> bool:
        """Whether the phone number is right; if not, with an error."""
        if phones.normal_form(value):
            return True
        self.add(attr, "invalid_phone", _("Give a Chinese phone number, such as 13800001111 or 021-22233334."))
        return False

    def choice(self, attr: str, value: str, choices: Collection[str]) -> bool:
        """Whether the value is one of the choices; if not, with an error that names them."""
        if value in choices:
            return True
        self.add(attr, "invalid_choice", _("Give one of: %(choices)s.") % {"choices": ", ".join(choices)})
        return False

    def moment(self, attr: str, value: datetime) -> bool:
        """Whether the time may be that of an order or of its payment; if not, with an error."""
        return self.between(attr, value, EARLIEST, datetime.now(UTC) + timedelta(days=1), _NOT_PAST)

    def between(
        self, attr: str, value: datetime, earliest: datetime, latest: datetime, otherwise: str | Promise
    ) -> bool:
        """Whether the time names its zone and is from `earliest` to `latest`; if not, with an error: `otherwise` is
        what to say of one outside."""
        if value.tzinfo is None:
            self.add(attr, "no_time_zone", _("Give a time with its zone, such as 2026-01-02T09:00:00+08:00."))
            return False
        if not earliest <= value <= latest:
            self.add(attr, "out_of_range", str(otherwise))
            return False
        return True
