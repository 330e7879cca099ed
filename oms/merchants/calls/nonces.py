"""Nonces of signed calls: each may be spent once. They lie in PostgreSQL, so that emptying Valkey opens nothing."""

from datetime import datetime

from django.db import connection


def spend(credential_id: int, nonce: str, expires_at: datetime) -> bool:
    """Spend the nonce; False where the credential spent it before. Of several copies at once one gets True.

    The row need not be flushed to disk by itself: PostgreSQL's log is written in order, so whatever the call then
    changes is flushed after it.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            """
            WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
            INSERT INTO merchants_spentnonce (credential_id, nonce, expires_at)
            SELECT %s, %s, %s FROM quick ON CONFLICT DO NOTHING
            """,
            [credential_id, nonce, expires_at],
        )
        return bool(cursor.rowcount)


def spending(lookup: str) -> str:
    """The lookup of a credential (`credential_id`, live `secrets`) as a statement that also spends a nonce.

    It takes three parameters more: the secrets that the signature was compared with, the nonce, and when it expires.
    Nothing is spent unless just these secrets are live. A column more says whether the nonce was new.
    """
    return f"""
        WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)),
        found AS MATERIALIZED ({lookup}),
        spent AS (
            INSERT INTO merchants_spentnonce (credential_id, nonce, expires_at)
            SELECT f.credential_id, v.nonce, v.expires_at
            FROM found f JOIN (VALUES (%s::text[], %s, %s::timestamptz)) AS v (secrets, nonce, expires_at)
              ON f.secrets = v.secrets CROSS JOIN quick
            ON CONFLICT DO NOTHING RETURNING 1)
        SELECT found.*, EXISTS (SELECT FROM spent) FROM found
        """


def purge(batch: int = 1000) -> int:
    """Delete expired nonces, oldest first and at most `batch`; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM merchants_spentnonce WHERE id IN (
                SELECT id FROM (
                    SELECT id, expires_at FROM merchants_spentnonce ORDER BY id LIMIT %s) AS oldest
                WHERE expires_at < now())
            """,
            [batch],
        )
        return cursor.rowcount
