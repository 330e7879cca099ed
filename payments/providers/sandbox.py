"""A provider that pretends: buyers pay after some minutes, refunds arrive after some hours."""

from collections.abc import Sequence

from oms.common.models import Connection, Topic
from oms.common.work import facts, sandbox
from payments.models import NoticeKind
from payments.providers import Answer, Charge

SYSTEM = "payment"
PAYS_AFTER_SECONDS = 300
REFUNDS_AFTER_SECONDS = 6 * 3600


class SandboxProvider:
    """See `payments.providers.Provider`."""

    def request(self, charges: Sequence[Charge], link: Connection) -> dict[str, Answer]:
        """Every buyer will pay."""
        return self._take(charges, link, NoticeKind.CAPTURED, PAYS_AFTER_SECONDS)

    def refund(self, charges: Sequence[Charge], link: Connection) -> dict[str, Answer]:
        """Every refund will arrive."""
        return self._take(charges, link, NoticeKind.REFUNDED, REFUNDS_AFTER_SECONDS)

    @staticmethod
    def _take(charges: Sequence[Charge], link: Connection, kind: str, after_seconds: float) -> dict[str, Answer]:
        sandbox.put(
            SYSTEM,
            [
                (
                    charge.reference,
                    {"kind": kind, "amount": str(charge.amount), "connection": link.pk},
                    sandbox.delay(after_seconds),
                )
                for charge in charges
            ],
        )
        return {charge.reference: Answer(taken=True) for charge in charges}


def notify(jobs: list[sandbox.Due]) -> None:
    """Tell what is due, as a provider's callback would."""
    by_connection: dict[int, list[facts.News]] = {}
    for job in jobs:
        news = facts.News(
            key=job.reference,
            kind=job.data["kind"],
            subject=job.reference,
            occurred_at=job.due_at,
            body={"amount": job.data["amount"], "transaction": f"sandbox-{job.reference}"},
        )
        by_connection.setdefault(job.data["connection"], []).append(news)
    for connection_id, told in by_connection.items():
        facts.receive(connection_id, Topic.PAYMENT, told)


PROVIDER = SandboxProvider()
