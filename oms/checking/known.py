"""All invariants of all apps, by name, and how they are looked at."""

from collections.abc import Sequence

from django.db import connection

from inventory.invariants import INVARIANTS as OF_INVENTORY
from inventory.replenishing.invariants import INVARIANTS as OF_REPLENISHMENT
from inventory.transfer_invariants import INVARIANTS as OF_TRANSFERS
from logistics.floor.invariants import INVARIANTS as OF_FLOORS
from logistics.invariants import INVARIANTS as OF_LOGISTICS
from logistics.routing.invariants import INVARIANTS as OF_ROUTES
from logistics.virtual.invariants import INVARIANTS as OF_VIRTUAL_GOODS
from logistics.warehouses.invariants import INVARIANTS as OF_WAREHOUSES
from oms.checking.sandbox_invariants import INVARIANTS as OF_SANDBOXES
from oms.common.invariants import Finding, Invariant, check
from oms.common.states import missing_triggers
from oms.common.ticket_invariants import INVARIANTS as OF_TICKETS
from oms.merchants.invariants import INVARIANTS as OF_MERCHANTS
from orders.changing.invariants import INVARIANTS as OF_CHARGES
from orders.invariants import INVARIANTS as OF_ORDERS
from orders.matching.invariants import INVARIANTS as OF_MATCHING
from orders.returning.invariants import INVARIANTS as OF_RETURNS
from orders.reviewing.invariants import INVARIANTS as OF_REVIEW
from orders.stock.invariants import INVARIANTS as OF_SET_ASIDES
from payments.balances.invariants import INVARIANTS as OF_BALANCES
from payments.exchanging.invariants import INVARIANTS as OF_EXCHANGES
from payments.invariants import INVARIANTS as OF_PAYMENTS
from payments.invoicing.invariants import INVARIANTS as OF_INVOICES
from payments.reconciling.invariants import INVARIANTS as OF_BILLS
from payments.statements.invariants import INVARIANTS as OF_SETTLEMENT

# Not a query: the database is asked for its triggers.
GUARDS = Invariant(
    "state_guards_are_installed",
    "Every table with states has the triggers that refuse moves which are not declared.",
    "",
)
ALL = (
    *OF_ORDERS,
    *OF_CHARGES,
    *OF_MATCHING,
    *OF_RETURNS,
    *OF_REVIEW,
    *OF_SET_ASIDES,
    *OF_INVENTORY,
    *OF_TRANSFERS,
    *OF_REPLENISHMENT,
    *OF_PAYMENTS,
    *OF_SETTLEMENT,
    *OF_BALANCES,
    *OF_EXCHANGES,
    *OF_BILLS,
    *OF_INVOICES,
    *OF_LOGISTICS,
    *OF_VIRTUAL_GOODS,
    *OF_FLOORS,
    *OF_WAREHOUSES,
    *OF_ROUTES,
    *OF_MERCHANTS,
    *OF_TICKETS,
    *OF_SANDBOXES,
)
BY_NAME = {invariant.name: invariant for invariant in (*ALL, GUARDS)}


def look(invariants: Sequence[Invariant]) -> list[Finding]:
    """A finding for each of these that does not hold."""
    findings = check([invariant for invariant in invariants if invariant is not GUARDS])
    missing = missing_triggers(connection) if GUARDS in invariants else []
    return [*findings, Finding(GUARDS, len(missing), missing)] if missing else findings
