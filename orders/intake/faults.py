"""What else is wrong with orders of which some cells could not be read: staff mend a row once, not once a fault."""

from collections.abc import Sequence

from oms.common.errors import FieldError
from oms.merchants.models import Merchant
from orders.intake.bodies import OrderBody
from orders.intake.checking import CheckedOrder, check
from orders.intake.locating import Atlas, locate
from orders.intake.reference import read

# A cell that was not read counts as nothing, from which other faults of amounts and times only follow.
_BY_THEMSELVES = ("external_number", "source", "recipient.")
_OF_LINES = (".sku", ".merchant")


def other_faults(bodies: Sequence[OrderBody], merchant: Merchant) -> list[list[FieldError]]:
    """What is wrong with each of the orders beside what could not be read. Nothing is stored; the number of statements
    does not grow with the orders."""
    if not bodies:
        return []
    atlas = Atlas()
    located = [locate(body, atlas) for body in bodies]
    reference = read([one.body for one in located], merchant, atlas=atlas)
    found = []
    for one in located:
        channel = reference.channels.get(one.body.source or merchant.code)
        checked = check(one, reference, channel.id if channel else 0, asks_a_person=True)
        errors = () if isinstance(checked, CheckedOrder) else checked
        found.append([error for error in errors if _stands_by_itself(error.attr)])
    return found


def _stands_by_itself(attr: str) -> bool:
    return attr.startswith(_BY_THEMSELVES) or (attr.startswith("lines.") and attr.endswith(_OF_LINES))
