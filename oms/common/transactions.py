"""A check for helpers that lock rows: without a transaction their locks would be gone before anybody uses them."""

from django.db import connection
from django.db.transaction import TransactionManagementError


def require_transaction(what: str) -> None:
    """Raises TransactionManagementError, naming what needs it, unless a transaction is open."""
    if not connection.in_atomic_block:
        raise TransactionManagementError(f"{what} needs an open transaction: call it inside transaction.atomic().")
