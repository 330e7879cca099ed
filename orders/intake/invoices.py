"""Checking what invoice a buyer asks for. Titles are kept as they were written, numbers in one form."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext as _
from stdnum.cn import ric, uscc

from oms.common import phones, secrecy
from orders.intake.bodies import InvoiceBody
from orders.intake.refusals import Refusals
from orders.models.terms import InvoiceKind, InvoiceRequest, TitleType

PERSON = "个人"  # the title of a person who gives none
_LONGEST = {"title": 120, "bank_name": 80, "bank_account": 40, "address": 200, "phone": 40, "email": 120}
# Numbers from before 2015, with which some taxpayers still sign: 15 or 20 characters without a check digit.
_OLD_LENGTHS = (15, 20)


@dataclass(frozen=True, slots=True)
class CheckedInvoice:
    """An invoice request that may be stored; `details` by the names of InvoiceRequest.DETAILS."""

    kind: str
    title_type: str
    details: Mapping[str, str]

    def columns(self) -> Mapping[str, object]:
        """The values to store, without the order's id."""
        sealed = secrecy.seal(json.dumps(self.details, ensure_ascii=False)).decode()
        return {"kind": self.kind, "title_type": self.title_type, "sealed": sealed}


def check_invoice(body: InvoiceBody, wrong: Refusals) -> CheckedInvoice:
    """The request in one form; what is wrong with it goes to `wrong`."""
    is_company = body.title_type == TitleType.COMPANY
    wrong.choice("invoice.kind", body.kind, InvoiceKind.values)
    wrong.choice("invoice.title_type", body.title_type, TitleType.values)
    if body.kind == InvoiceKind.SPECIAL and body.title_type == TitleType.PERSONAL:
        detail = _("A special VAT invoice is made out to companies only; ask for an ordinary one.")
        wrong.add("invoice.title_type", "company_required", detail)
    for name, longest in _LONGEST.items():
        value = getattr(body, name)
        if value or (name == "title" and is_company):
            wrong.text(f"invoice.{name}", value, longest)
    if body.email:
        try:
            validate_email(body.email)
        except ValidationError:
            wrong.add("invoice.email", "invalid_email", _("Give an e-mail address, such as name@example.com."))
    if body.phone:
        wrong.phone("invoice.phone", body.phone)
    number = _one_form(body.tax_number)
    if is_company and not number:
        wrong.add("invoice.tax_number", "required", _("An invoice to a company needs its tax number."))
    elif number and not _is_tax_number(number, is_company=is_company):
        detail = _("The tax number has a slip: 18 characters with a check digit (the unified social credit code).")
        wrong.add("invoice.tax_number", "invalid_tax_number", detail)
    details = {
        **{name: getattr(body, name).strip() for name in InvoiceRequest.DETAILS},
        "title": body.title.strip() or PERSON,
        "tax_number": number,
        "phone": phones.compared(body.phone),
    }
    return CheckedInvoice(body.kind, body.title_type, details)


def _one_form(number: str) -> str:
    return uscc.compact(unicodedata.normalize("NFKC", number)).upper() if number.strip() else ""


def _is_tax_number(number: str, *, is_company: bool) -> bool:
    if len(number) in _OLD_LENGTHS:
        return number.isascii() and number.isalnum()
    # Sole traders, and persons, sign with the number of their identity card.
    return (is_company and uscc.is_valid(number)) or ric.is_valid(number)
