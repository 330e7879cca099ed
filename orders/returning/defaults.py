"""What a new installation takes back, and why."""

from django.db import transaction

from orders.models import Fault, ReturnReason, ReturnRule
from orders.models.return_rule import REFUSED_AT_DOOR

# Code, whose fault, whether a photo is needed, reason of grants.
_REASONS = (
    ("no_reason", Fault.BUYER, False, "no_reason"),
    ("quality", Fault.MERCHANT, True, "sellers_fault"),
    ("damaged", Fault.PLATFORM, True, "sellers_fault"),
    ("wrong_goods", Fault.MERCHANT, True, "sellers_fault"),
    ("missing", Fault.MERCHANT, False, "sellers_fault"),
    ("not_as_described", Fault.MERCHANT, True, "sellers_fault"),
    (REFUSED_AT_DOOR, Fault.BUYER, False, "no_reason"),
)


@transaction.atomic
def install_defaults() -> None:
    """Give a new installation reasons and the rule that holds for everything; does nothing where there are any."""
    if not ReturnReason.objects.exclude(code=REFUSED_AT_DOOR).exists():
        ReturnReason.objects.bulk_create(
            [
                ReturnReason(code=code, fault=fault, needs_photo=needs_photo, grant_reason=grant_reason)
                for code, fault, needs_photo, grant_reason in _REASONS
            ],
            ignore_conflicts=True,
        )
    if not ReturnRule.objects.exists():
        ReturnRule.objects.create()
