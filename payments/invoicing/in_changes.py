"""Asking for an invoice, or for another title, as a part of a change of an order."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext as _

from oms.common.errors import FieldError, WrongFields
from orders.actors import Actor
from orders.changing.sets.beyond import Beyond, Shown, register
from orders.intake.bodies import InvoiceBody
from orders.models import Order
from orders.models.terms import InvoiceKind, TitleType
from payments.invoicing import asking, wishes

_FIELDS = ("kind", "title_type", "title", "tax_number", "bank_name", "bank_account", "address", "phone", "email")


def _read(_order: Order, told: Mapping[str, Any]) -> InvoiceBody:
    given = told.get("invoice")
    if not isinstance(given, Mapping):
        raise WrongFields([FieldError("invoice", "required", _("Say what invoice is asked for."))])
    wrong = [
        FieldError(f"invoice.{name}", "unknown_field", _("There is no such field."))
        for name in given
        if name not in _FIELDS
    ]
    wrong += [
        FieldError(f"invoice.{name}", "invalid", _("Give a text."))
        for name in _FIELDS
        if not isinstance(given.get(name, ""), str)
    ]
    if wrong:
        raise WrongFields(wrong)
    wish = InvoiceBody(**{"title_type": "", **given})
    try:
        wishes.checked(wish)
    except wishes.Wrong as refused:
        raise WrongFields(
            [FieldError(f"invoice.{one.attr.rpartition('.')[2]}", one.code, one.detail) for one in refused.errors]
        ) from refused
    return wish


def _carry_out(order: Order, wish: InvoiceBody, actor: Actor) -> Shown:
    asked = asking.ask(order.pk, wish, actor=actor)
    return {"kind": asked.kind, "title_type": asked.title_type}


def _sentences(shown: Shown) -> list[str]:
    values = {"kind": InvoiceKind(shown["kind"]).label, "title": TitleType(shown["title_type"]).label}
    sentence = _("An invoice is asked for (%(kind)s, %(title)s). What was issued with another title is taken back.")
    return [sentence % values]


register("invoice", Beyond(_read, _carry_out, _sentences))
