"""Collecting what is wrong with an order, field by field."""

import re
from decimal import Decimal

from django.utils.translation import gettext as _

from oms.common import phones
from oms.common.errors import FieldError
from oms.common.money import NotAnAmount, to_fen

_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class Refusals(list[FieldError]):
    """Collects what is wrong, field by field."""

    def add(self, attr: str, code: str, detail: str) -> None:
        """Note one thing that is wrong."""
        self.append(FieldError(attr, code, detail))

    def amount(self, attr: str, value: Decimal) -> int:
        """The amount in fen; 0, and an error, if it is no amount."""
        try:
            fen = to_fen(value)
        except NotAnAmount:
            self.add(attr, "invalid_amount", _("Give an amount in yuan with at most two places, such as 12.34."))
            return 0
        if fen < 0:
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
