"""A provider that pretends: buyers pay after some minutes, refunds arrive after some hours."""

from collections.abc import Sequence
from decimal import Decimal

from oms.common.work import sandbox
from payments.models import PaymentNotice
from payments.providers import Answer, Charge
from payments.taking import noticing

SYSTEM = "payment"
PAYS_AFTER_SECONDS = 300
REFUNDS_AFTER_SECONDS = 6 * 3600


class SandboxProvider:
    """See `payments.providers.Provider`."""

    def request(self, charges: Sequence[Charge]) -> dict[str, Answer]:
        """Every buyer will pay."""
        return self._take(charges, PaymentNotice.Kind.CAPTURED, PAYS_AFTER_SECONDS)

    def refund(self, charges: Sequence[Charge]) -> dict[str, Answer]:
        """Every refund will arrive."""
        return self._take(charges, PaymentNotice.Kind.REFUNDED, REFUNDS_AFTER_SECONDS)

    @staticmethod
    def _take(charges: Sequence[Charge], kind: str, after_seconds: float) -> dict[str, Answer]:
        sandbox.put(
            SYSTEM,
            [
                (charge.reference, {"kind": kind, "amount": str(charge.amount)}, sandbox.delay(after_seconds))
                for charge in charges
            ],
        )
        return {charge.reference: Answer(taken=True) for charge in charges}


def notify(jobs: list[sandbox.Due]) -> None:
    """Send the notices that are due, as a provider's callback would."""
    noticing.receive(
        "sandbox",
        [
            noticing.Notice(
                key=f"sandbox-{job.reference}",
                kind=PaymentNotice.Kind(job.data["kind"]),
                reference=job.reference,
                amount=Decimal(job.data["amount"]),
                occurred_at=job.due_at,
            )
            for job in jobs
        ],
    )


PROVIDER = SandboxProvider()
