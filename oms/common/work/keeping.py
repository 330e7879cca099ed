"""How facts are put into their table: in one statement, also those of several messages."""

import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from oms.common.copying import text_array
from oms.common.models import Topic
from oms.common.postgresql.preparing import fetch_prepared
from oms.common.secrecy import seal
from oms.common.work import remembering
from oms.common.work.news import News

_STORE = """
    INSERT INTO common_inboundfact
        (connection_id, topic, fact_key, kind, subject, occurred_at, body, raw, ready_at)
    SELECT %(connection)s, %(topic)s, n.key, n.kind, n.subject, n.occurred_at, n.body, decode(n.raw, 'hex'), now()
    FROM unnest(%(keys)s::text[], %(kinds)s::text[], %(subjects)s::text[], %(times)s::timestamptz[],
            %(bodies)s::jsonb[], %(raws)s::text[])
        WITH ORDINALITY AS n(key, kind, subject, occurred_at, body, raw, place)
    WHERE {condition}
    ORDER BY n.place
    ON CONFLICT DO NOTHING
    RETURNING fact_key
"""


class Told(NamedTuple):
    """Facts of one message, what they are about, and what was said without asking when they were read."""

    connection_id: int
    topic: Topic
    news: Sequence[News]
    noted: remembering.Noted | None

    @property
    def keys(self) -> set[str]:
        return {key_of(item.key) for item in self.news}


def store(connection_id: int, topic: Topic, news: Sequence[News]) -> set[str]:
    """Store facts whose keys are new; returns these keys. Where something was said without asking, nothing is stored
    unless it is still so (see `remembering`)."""
    return _store(Told(connection_id, topic, news, remembering.noted()))


def store_together(told: Sequence[Told]) -> list[set[str]]:
    """Store what several messages say, in as few statements as there are connections and topics; returns for each the
    keys that were new. A key that two of them have is new for one."""
    groups: list[list[Told]] = []
    for one in told:
        # Else the statement could not say for which of them the key was new.
        fitting = (
            group
            for group in groups
            if (group[0].connection_id, group[0].topic, group[0].noted) == (one.connection_id, one.topic, one.noted)
            and all(one.keys.isdisjoint(other.keys) for other in group)
        )
        group = next(fitting, None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    new = {id(one): keys for group in groups for keys in [_store(*group)] for one in group}
    return [new[id(one)] & one.keys for one in told]


def _store(*told: Told) -> set[str]:
    """Store what was told, all of one connection and topic, while what was noted is so; the keys that were new."""
    news = [item for one in told for item in one.news]
    condition, stamps = told[0].noted.condition() if told[0].noted else ("true", {})
    stored = fetch_prepared(
        _STORE.format(condition=condition),
        {
            **stamps,
            "connection": told[0].connection_id,
            "topic": told[0].topic,
            "keys": text_array(key_of(item.key) for item in news),
            "kinds": text_array(item.kind for item in news),
            "subjects": text_array(item.subject[:64] for item in news),
            "times": [item.occurred_at for item in news],
            "bodies": text_array(json.dumps(dict(item.body)) for item in news),
            "raws": text_array(seal(item.raw).hex() if item.raw is not None else None for item in news),
        },
    )
    return {key for (key,) in stored}


def key_of(key: str) -> str:
    """The key as it is kept: itself, or what stands for one that is longer than the column."""
    return key if len(key) <= 120 else f"{key[:55]}:{hashlib.sha256(key.encode()).hexdigest()}"
