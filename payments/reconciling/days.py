"""A connection's day: what its bills come to, and whether it is closed."""

from collections.abc import Iterable
from datetime import date

from django.db import connection

from oms.common.states import listed
from payments.models import FUND_FORMS, SETTLED_OUTCOMES, TRADE_FORMS, BillRowKind, Outcome

_ON_ACCOUNT = (BillRowKind.PAYMENT, BillRowKind.REFUND, BillRowKind.FEE)
_IS_TRADE = f"s.form NOT IN ({listed(FUND_FORMS)})"
# A row `b` of a bill, of source `s`, with its match `m`, if any. The account's side of what has no account of its own
# is what the same bill says arrived.
_SUMS = f"""
    SELECT
        coalesce(sum(b.amount_fen) FILTER (WHERE {_IS_TRADE} AND b.amount_fen > 0), 0) AS trade,
        coalesce(-sum(b.amount_fen) FILTER (WHERE {_IS_TRADE} AND b.amount_fen < 0), 0) AS refund,
        coalesce(sum(b.fee_fen) FILTER (WHERE {_IS_TRADE}), 0) AS fee,
        coalesce(sum(CASE WHEN s.form IN ({listed(FUND_FORMS)}) THEN b.amount_fen ELSE b.amount_fen - b.fee_fen END)
            FILTER (WHERE s.form NOT IN ({listed(TRADE_FORMS)})
                AND ({_IS_TRADE} OR b.kind IN ({listed(_ON_ACCOUNT)}))), 0) AS fund
    FROM payments_billrow b JOIN payments_billsource s ON s.id = b.source_id
    LEFT JOIN payments_billmatch m ON m.row_id = b.id
    WHERE s.connection_id = %(link)s AND b.day = d.day AND m.outcome IS DISTINCT FROM '{Outcome.DUPLICATE_ROW}'
"""
# Whether all bills of the day `d` are there, and, where no account is compared, nobody has to look at anything.
_IS_WHOLE = f"""
    NOT EXISTS (
        SELECT FROM payments_billsource s WHERE s.connection_id = %(link)s AND s.is_active
          AND s.form IN ({listed((*TRADE_FORMS, *FUND_FORMS))}) AND NOT EXISTS (
            SELECT FROM payments_bill f WHERE f.source_id = s.id AND d.day BETWEEN f.day AND f.last_day))
    AND (EXISTS (SELECT FROM payments_billsource s WHERE s.connection_id = %(link)s AND NOT ({_IS_TRADE}))
        OR NOT EXISTS (
            SELECT FROM payments_billmatch m JOIN payments_billsource s ON s.id = m.source_id
            WHERE s.connection_id = %(link)s AND m.day = d.day AND m.resolution = ''
              AND m.outcome NOT IN ({listed(SETTLED_OUTCOMES)})))
"""


def refresh(connection_id: int, days: Iterable[date]) -> None:
    """Sum up these days of the connection, and close or open them by that. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            WITH summed AS (
                SELECT d.day, x.trade, x.refund, x.fee, x.fund, x.trade - x.refund - x.fee - x.fund AS difference,
                    {_IS_WHOLE} AS is_whole
                FROM unnest(%(days)s::date[]) AS d(day) CROSS JOIN LATERAL ({_SUMS}) AS x
            )
            INSERT INTO payments_billday
                (connection_id, day, trade_fen, refund_fen, fee_fen, fund_fen, difference_fen, closed_at)
            SELECT %(link)s, day, trade, refund, fee, fund, difference,
                CASE WHEN is_whole AND difference = 0 THEN now() END
            FROM summed ORDER BY day
            ON CONFLICT (connection_id, day) DO UPDATE SET trade_fen = excluded.trade_fen,
                refund_fen = excluded.refund_fen, fee_fen = excluded.fee_fen, fund_fen = excluded.fund_fen,
                difference_fen = excluded.difference_fen,
                closed_at = CASE WHEN excluded.closed_at IS NOT NULL
                    THEN coalesce(payments_billday.closed_at, excluded.closed_at) END
            """,
            {"link": connection_id, "days": sorted(set(days))},
        )
