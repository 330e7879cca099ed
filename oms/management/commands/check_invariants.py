"""`manage.py check_invariants`."""

import json
import sys
from argparse import ArgumentParser

from django.core.management.base import BaseCommand

from oms.checking import known
from oms.checking.known import ALL
from oms.common.invariants import Finding


class Command(BaseCommand):
    """Checks by SQL what must always hold; exit code 1 and the offending numbers if something does not."""

    help = "Check everything that must always hold; exit 1 and the offending numbers if not."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="Print the result as JSON.")

    def handle(self, *, json: bool, **_: object) -> None:
        findings = known.look([*ALL, known.GUARDS])
        self._report(findings, as_json=json)
        if findings:
            sys.exit(1)

    def _report(self, findings: list[Finding], *, as_json: bool) -> None:
        if as_json:
            broken = {
                finding.invariant.name: {"count": finding.count, "examples": finding.examples} for finding in findings
            }
            self.stdout.write(json.dumps({"checked": len(ALL) + 1, "ok": not broken, "broken": broken}))
            return
        for finding in findings:
            self.stdout.write(f"BROKEN {finding.invariant.name}: {finding.invariant.sentence} {finding.count} rows:")
            self.stdout.write("  " + "\n  ".join(finding.examples))
        if not findings:
            self.stdout.write(f"{len(ALL) + 1} invariants hold")
