"""What somebody asks for of an invoice, checked field by field."""

from oms.common.errors import OmsError
from orders.intake.bodies import InvoiceBody
from orders.intake.invoices import CheckedInvoice, check_invoice
from orders.intake.refusals import Refusals


class Wrong(OmsError):
    """The title is not right; `errors` says what, field by field."""

    def __init__(self, errors: Refusals) -> None:
        super().__init__(" ".join(error.detail for error in errors))
        self.errors = errors


def checked(wish: InvoiceBody) -> CheckedInvoice:
    """The wish in its one form. Raises Wrong."""
    wrong = Refusals()
    found = check_invoice(wish, wrong)
    if wrong:
        raise Wrong(wrong)
    return found
