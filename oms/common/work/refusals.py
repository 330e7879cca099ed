"""Messages that were not taken are kept apart, within bounds: whoever floods us fills no table."""

import json
from typing import Any

from django.db import connection, transaction

from oms.common.errors import OmsError
from oms.common.models import Connection, RefusedMessage
from oms.common.secrecy import seal, unseal
from oms.common.work import protocols
from oms.common.work.protocols import Message

# Of each connection the newest are kept, at most so many are added in a minute, and of each so many characters.
MOST_KEPT, MOST_A_MINUTE, MOST_CHARACTERS = 500, 60, 64 * 1024


@transaction.atomic
def keep(link: Connection, message: Message, *, address: str) -> None:
    """Keep a message that was refused, if not too many came in the last minute; older ones make room."""
    kept = {
        "body": message.body[:MOST_CHARACTERS],
        "headers": dict(message.headers),
        "parameters": dict(message.parameters),
    }
    values: dict[str, Any] = {
        "link": link.pk,
        "address": address[:64],
        "message": seal(json.dumps(kept)),
        "at": message.received_at,
    }
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            INSERT INTO common_refusedmessage (connection_id, address, message, received_at)
            SELECT %(link)s, %(address)s, %(message)s, %(at)s
            WHERE (SELECT count(*) FROM common_refusedmessage
                   WHERE connection_id = %(link)s AND received_at > now() - interval '1 minute') < {MOST_A_MINUTE}
            """,
            values,
        )
        cursor.execute(
            f"""
            DELETE FROM common_refusedmessage WHERE connection_id = %(link)s AND id <= (
                SELECT id FROM common_refusedmessage WHERE connection_id = %(link)s
                ORDER BY id DESC OFFSET {MOST_KEPT} LIMIT 1)
            """,
            {"link": link.pk},
        )


def why(refused: RefusedMessage) -> str:
    """Why its protocol does not take the message, in the active language; empty where it would, by what we know now."""
    kept = json.loads(unseal(refused.message))
    message = Message(kept["body"], kept["headers"], kept["parameters"], refused.received_at)
    try:
        protocols.speaker(refused.connection).verify(refused.connection, message)
    except OmsError as refusal:
        return str(refusal)
    return ""
