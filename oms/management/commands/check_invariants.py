"""`manage.py check_invariants`."""

import json
import sys
from argparse import ArgumentParser

from django.core.management.base import BaseCommand
from django.db import connection

from inventory.invariants import INVARIANTS as OF_INVENTORY
from inventory.replenishing.invariants import INVARIANTS as OF_REPLENISHMENT
from inventory.transfer_invariants import INVARIANTS as OF_TRANSFERS
from logistics.invariants import INVARIANTS as OF_LOGISTICS
from logistics.routing.invariants import INVARIANTS as OF_ROUTES
from logistics.warehouses.invariants import INVARIANTS as OF_WAREHOUSES
from oms.common.invariants import Finding, check
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
    *OF_BALANCES,
    *OF_EXCHANGES,
    *OF_BILLS,
    *OF_INVOICES,
    *OF_LOGISTICS,
    *OF_WAREHOUSES,
    *OF_ROUTES,
    *OF_MERCHANTS,
    *OF_TICKETS,
)


class Command(BaseCommand):
    """Checks by SQL what must always hold; exit code 1 and the offending numbers if something does not."""

    help = "Check everything that must always hold; exit 1 and the offending numbers if not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print the result as JSON.")

    def handle(self, *, json: bool, **_: object) -> None:
        findings = check(ALL)
        unguarded = missing_triggers(connection)
        self._report(findings, unguarded, as_json=json)
        if findings or unguarded:
            sys.exit(1)

    def _report(self, findings: list[Finding], unguarded: list[str], *, as_json: bool) -> None:
        if as_json:
            broken = {
                finding.invariant.name: {"count": finding.count, "examples": finding.examples} for finding in findings
            }
            if unguarded:
                broken["state_guards_are_installed"] = {"count": len(unguarded), "examples": unguarded}
            self.stdout.write(json.dumps({"checked": len(ALL) + 1, "ok": not broken, "broken": broken}))
            return
        for finding in findings:
            self.stdout.write(f"BROKEN {finding.invariant.name}: {finding.invariant.sentence} {finding.count} rows:")
            self.stdout.write("  " + "\n  ".join(finding.examples))
        if unguarded:
            self.stdout.write(f"BROKEN state guards are missing on: {', '.join(unguarded)}")
        if not findings and not unguarded:
            self.stdout.write(f"{len(ALL) + 1} invariants hold")
