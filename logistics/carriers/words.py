"""What protocols call states and carriers: rows that staff edit; where a state's code has none, what is shipped with
the OMS.

Remembered by each process, which sees by the rows' stamps that somebody changed them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection

from logistics.carriers.scans import NOTED
from logistics.carriers.shipped_words import SHIPPED
from logistics.carriers.trouble import SCAN_WORD_UNKNOWN
from logistics.carriers.word import Word
from logistics.models import CarrierCode, ScanWord, TrackingEvent
from oms.common import tickets
from oms.common.copying import array
from oms.common.work.facts import Fact
from oms.common.work.remembering import Memory


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one protocol."""

    known: Mapping[str, Word]

    def kind_of(self, *codes: str) -> str | None:
        """The kind of the fact that a scan with such a code is: a state, or `scans.NOTED` where it says nothing of
        where the parcel is; None where it is not kept. Of several codes the first one that is known counts."""
        for code in codes:
            if code in self.known:
                word = self.known[code]
                return (word.state or NOTED) if word.is_kept else None
        return NOTED

    def stop_of(self, code: str) -> str:
        """Where a parcel waits by a scan with such a code: one of `models.WaitingPlace`, or empty."""
        return self.known[code].stop if code in self.known else ""


_NO_WORDS = Words({})


@dataclass(frozen=True, slots=True)
class Tables:
    """What protocols call states and carriers, by protocol."""

    words: Mapping[str, Words]
    # The protocol's code by ours, where they differ.
    carriers: Mapping[str, Mapping[str, str]]

    def of(self, protocol: str) -> Words:
        """The words of a protocol."""
        return self.words.get(protocol, _NO_WORDS)

    def theirs(self, protocol: str) -> Mapping[str, str]:
        """The protocol's codes of carriers by ours, where they differ."""
        return self.carriers.get(protocol, {})

    def ours(self, protocol: str) -> Mapping[str, str]:
        """Our codes of carriers by the protocol's, where they differ."""
        return {code: carrier for carrier, code in self.theirs(protocol).items()}


def tables() -> Tables:
    """The tables as they are now. One small statement while nobody changes them."""
    return _memory.get()


def of(protocol: str) -> Words:
    """The words of a protocol, as they are now."""
    return tables().of(protocol)


def _read() -> Mapping[str, Words]:
    known = {protocol: {word.code: word for word in words} for protocol, words in SHIPPED.items()}
    columns = ("protocol", "code", "told", "state", "shown_zh", "shown_en", "is_kept", "for_buyer", "stop")
    for protocol, *word in ScanWord.objects.order_by("id").values_list(*columns):
        known.setdefault(protocol, {})[word[0]] = Word(*word)
    return {protocol: Words(words) for protocol, words in known.items()}


def _read_codes() -> Mapping[str, Mapping[str, str]]:
    known: dict[str, dict[str, str]] = {}
    for protocol, carrier, code in CarrierCode.objects.order_by("id").values_list("protocol", "carrier__code", "code"):
        known.setdefault(protocol, {})[carrier] = code
    return known


_memory = Memory(
    """
    SELECT concat_ws(' ', (SELECT count(*) || ':' || coalesce(sum(stamp), 0) FROM logistics_scanword),
        (SELECT md5(string_agg(concat_ws(' ', k.id, k.protocol, k.code, c.code), '|' ORDER BY k.id))
         FROM logistics_carriercode k JOIN logistics_carrier c ON c.id = k.carrier_id))
    """,
    lambda: Tables(_read(), _read_codes()),
)


def word_of(scan: TrackingEvent, known: Mapping[str, Words]) -> Word | None:
    """The word of a scan, whose connection was read with it; `known` are the words of all protocols."""
    if not scan.carrier_code or scan.connection is None:
        return None
    return known.get(scan.connection.protocol, _NO_WORDS).known.get(scan.carrier_code)


def install_shipped_words() -> None:
    """Give a new installation its rows; those that are there stay as they are."""
    rows = [
        ScanWord(
            protocol=protocol,
            code=word.code,
            told=word.told,
            state=word.state,
            shown_zh=word.shown_zh,
            shown_en=word.shown_en,
            is_kept=word.is_kept,
            for_buyer=word.for_buyer,
            stop=word.stop,
        )
        for protocol, words in SHIPPED.items()
        for word in words
    ]
    ScanWord.objects.bulk_create(rows, ignore_conflicts=True)


def note_unknown(facts: list[Fact]) -> None:
    """Add codes that nobody knew as rows, and have a person say what they mean, once each."""
    coded = [(fact, str(fact.body["code"])) for fact in facts if fact.body.get("code")]
    if not coded:
        return
    protocols = _protocols({fact.connection_id for fact, _code in coded})
    known, new = tables().words, {}
    for fact, code in coded:
        protocol = protocols[fact.connection_id]
        if protocol in known and code[:20] not in known[protocol].known:
            new[protocol, code[:20]] = fact
    if not new:
        return
    rows = [
        ScanWord(
            protocol=protocol,
            code=code,
            told=str(fact.body.get("text", ""))[:60],
            state="" if fact.kind == NOTED else fact.kind,
            is_new=True,
        )
        for (protocol, code), fact in new.items()
    ]
    ScanWord.objects.bulk_create(rows, ignore_conflicts=True)
    found = ScanWord.objects.filter(protocol__in={row.protocol for row in rows}, code__in={row.code for row in rows})
    troubles = [
        tickets.Trouble(row.pk, "", {"protocol": row.protocol, "code": row.code, "text": row.told})
        for row in found
        if row.is_new
    ]
    tickets.open_tickets(SCAN_WORD_UNKNOWN, troubles, opened_by="carrier_facts")


def _protocols(connection_ids: set[int]) -> dict[int, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, protocol FROM common_connection WHERE id = ANY(%s::bigint[])", [array(connection_ids)]
        )
        return dict(cursor.fetchall())
