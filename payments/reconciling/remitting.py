"""How far cash that carriers collected has come: with the carrier, remitted, seen at the bank."""

from collections.abc import Collection

from django.db import connection, models
from django.utils.translation import gettext_lazy as _

from oms.common.copying import array
from payments.models import BillForm, Means, Outcome, PaymentState
from payments.reconciling.books import PAYMENTS_OF_MATCHES


class Remittance(models.TextChoices):
    """Where collected cash is."""

    COLLECTED = "collected", _("With the carrier")
    REMITTED = "remitted", _("Remitted by the carrier")
    RECONCILED = "reconciled", _("Remitted, and seen at the bank")


def standing(payment_ids: Collection[int]) -> dict[int, Remittance]:
    """How far the cash among these payments has come, by id; others are left out. One statement.

    Remitted is what a row of the carrier's remittance stands for; it is reconciled once a bank's row was tied to the
    batch of that row.
    """
    if not payment_ids:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT p.id, CASE WHEN bool_or(seen.id IS NOT NULL) THEN '{Remittance.RECONCILED}'
                WHEN bool_or(b.id IS NOT NULL) THEN '{Remittance.REMITTED}' ELSE '{Remittance.COLLECTED}' END
            FROM payments_payment p
            LEFT JOIN {PAYMENTS_OF_MATCHES} AS told ON told.payment_id = p.id
            LEFT JOIN payments_billmatch m ON m.id = told.match_id AND m.row_id IS NOT NULL AND m.amount_fen > 0
              AND m.outcome NOT IN ('{Outcome.DUPLICATE_ROW}', '{Outcome.MALFORMED_ROW}')
            LEFT JOIN payments_billsource s ON s.id = m.source_id AND s.form = '{BillForm.COD}'
            LEFT JOIN payments_billrow b ON b.id = m.row_id AND s.id IS NOT NULL
            LEFT JOIN payments_billrow of_batch ON of_batch.batch = b.batch AND of_batch.batch <> ''
              AND of_batch.source_id = b.source_id
            LEFT JOIN payments_billmatch seen ON seen.counterpart_id = of_batch.id
            WHERE p.id = ANY(%s::bigint[]) AND p.means = '{Means.CASH}' AND p.state = '{PaymentState.CAPTURED}'
            GROUP BY p.id
            """,
            [array(payment_ids)],
        )
        return {key: Remittance(standing) for key, standing in cursor.fetchall()}
