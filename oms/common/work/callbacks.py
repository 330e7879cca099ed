"""Messages of connected systems: told genuine, stored raw, answered, and only then worked on (see `facts`)."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.masking import describe
from oms.common.models import Connection, FactState, InboundFact, SystemKind, Topic
from oms.common.models.fact import EARLIEST, LATEST
from oms.common.networks import contains
from oms.common.secrecy import unseal
from oms.common.work import facts, facts_by_hand, keeping, nudging, protocols, refusals, remembering
from oms.common.work.protocols import Message, NotGenuine, Reply

logger = logging.getLogger(__name__)

TOPICS = {
    SystemKind.WAREHOUSE: Topic.WAREHOUSE,
    SystemKind.CARRIER: Topic.CARRIER,
    SystemKind.PAYMENT: Topic.PAYMENT,
}
UNREADABLE = "unreadable"
HEARD_TO_SECONDS = timedelta(seconds=5)
# What warehouses say of their stock is worked on by a stage of its own: it is about no order.
STOCK_REPORT = "stock_report"
ABOUT_STOCK = {STOCK_REPORT}


def receive(link: Connection, message: Message, *, address: str) -> Reply:
    """Take a message that came from a network address; returns the answer in the protocol's own words.

    What is genuine is stored, even where the adapter does not understand it: then a person finds a ticket. Raises
    `remembering.Outdated` within `remembering.trusting()`: then it is to be taken once more, asking.
    """
    speaker = protocols.speaker(link)
    try:
        _check_genuine(link, message, address)
    except NotGenuine as refusal:
        remembering.ask_first()
        logger.warning("a message for %s was refused: %s", link.code, refusal)
        refusals.keep(link, message, address=address)
        return speaker.refused(link, refusal)
    text = protocols.kept_text(speaker, link, message)
    try:
        news = _read(link, text)
    except remembering.Outdated:
        raise
    except Exception as error:
        remembering.ask_first()
        logger.exception("a message of %s could not be read", link.code)
        _keep_unreadable(link, text, message.received_at, describe(error))
    else:
        if not news:
            remembering.ask_first()
        else:
            # The message itself is kept once, with the first of what it says.
            news[0] = replace(news[0], raw=text)
        _store(link, news)
    _note_heard(link)
    return speaker.accepted(link, message)


@dataclass(frozen=True, slots=True)
class Opened:
    """A genuine message that says something, which is not stored yet, and the answer to it once it is."""

    link: Connection
    told: Sequence[keeping.Told]
    reply: Reply


def opened(link: Connection, message: Message, *, address: str) -> Opened:
    """Open a message that came from a network address, within `remembering.trusting()`, without the database. Raises
    for each for which there is more to do than to store what it says: `receive` takes those."""
    _check_genuine(link, message, address)
    speaker = protocols.speaker(link)
    text = protocols.kept_text(speaker, link, message)
    news = _read(link, text)
    if not news:
        raise remembering.Outdated
    news[0] = replace(news[0], raw=text)
    noted = remembering.noted()
    told = [keeping.Told(link.pk, topic, some, noted) for topic, some in _by_topic(link, news).items() if some]
    return Opened(link, told, speaker.accepted(link, message))


def store_together(messages: Sequence[Opened]) -> list[bool]:
    """Store what messages say, all in one go; returns for each whether it is stored. Where it is not, what was said
    without asking is not so any more or some of it was told before: `receive` takes the message once more."""
    told = [one for message in messages for one in message.told]
    stored = {id(one): len(new) == len(one.news) for one, new in zip(told, keeping.store_together(told), strict=True)}
    nudging.nudge(*{facts.STAGES[one.topic] for one in told})
    for link in {message.link.pk: message.link for message in messages}.values():
        _note_heard(link)
    return [all(stored[id(one)] for one in message.told) for message in messages]


def _note_heard(link: Connection) -> None:
    """Keep when the system was last heard, to some seconds: of many messages at once each would wait for the others'
    write of the one row."""
    now = timezone.now()
    if link.last_heard_at is None or not now - HEARD_TO_SECONDS < link.last_heard_at <= now:
        Connection.objects.filter(pk=link.pk).update(last_heard_at=now)
        link.last_heard_at = now


def _store(link: Connection, news: Sequence[facts.News]) -> None:
    for topic, told in _by_topic(link, news).items():
        facts.receive(link.pk, topic, told)


def _by_topic(link: Connection, news: Sequence[facts.News]) -> Mapping[Topic, Sequence[facts.News]]:
    topic = TOPICS[SystemKind(link.kind)]
    by_topic: dict[Topic, list[facts.News]] = {topic: [], Topic.STOCK: []}
    for one in news:
        is_stock = topic == Topic.WAREHOUSE and one.kind in ABOUT_STOCK
        by_topic[Topic.STOCK if is_stock else topic].append(one)
    return by_topic


def _read(link: Connection, body: str) -> list[facts.News]:
    if "\0" in body or "\\u0000" in body:
        raise protocols.Unreadable("The message has NUL characters.")
    news = list(protocols.speaker(link).read(link, body))
    for item in news:
        if not EARLIEST <= item.occurred_at < LATEST:
            raise protocols.Unreadable(f"{item.key} is said to be of {item.occurred_at.isoformat()}.")
    return news


def _check_genuine(link: Connection, message: Message, address: str) -> None:
    if link.allowed_addresses and not any(contains(network, address) for network in link.allowed_addresses):
        raise NotGenuine(_("Messages from %(address)s are not taken.") % {"address": address or "–"})
    protocols.speaker(link).verify(link, message)


def _keep_unreadable(link: Connection, text: str, received_at: datetime, error: str) -> None:
    key = f"unreadable:{hashlib.sha256(text.encode()).hexdigest()}"
    news = facts.News(key, UNREADABLE, "", received_at, raw=text)
    with transaction.atomic():
        facts.receive(link.pk, TOPICS[SystemKind(link.kind)], [news])
        fact = InboundFact.objects.filter(connection=link, fact_key=key, state=FactState.PENDING)
        fact.update(needs_person_since=timezone.now(), last_error=error)
        troubles = [
            tickets.Trouble(pk, "", {"connection": link.code, "error": error})
            for pk in fact.values_list("pk", flat=True)
        ]
        tickets.open_tickets(facts.MESSAGE_UNREADABLE, troubles, opened_by="callbacks")


def read_again(fact_id: int, *, by: str = "") -> int:
    """Read a kept message that was not understood once more; returns how many facts it holds. Its tickets are done.

    Raises OmsError where it is still not understood, or is settled already.
    """
    with transaction.atomic():
        fact = InboundFact.objects.select_for_update(no_key=True).select_related("connection").get(pk=fact_id)
        if fact.kind != UNREADABLE or fact.state != FactState.PENDING or fact.raw is None:
            raise OmsError(_("This message is settled already."))
        try:
            news = _read(fact.connection, unseal(fact.raw))
        except Exception as error:
            raise OmsError(_("It is still not understood: %(error)s") % {"error": describe(error)}) from error
        _store(fact.connection, news)
        InboundFact.objects.filter(pk=fact_id).update(
            state=FactState.APPLIED, settled_at=timezone.now(), needs_person_since=None, outcome="read_again"
        )
        facts_by_hand.close_tickets_of(fact_id, by)
        return len(news)


def replay(fact_id: int, *, by: str = "") -> None:
    """Let a fact be worked on once more, or a message that was not understood be read again, for a person of this name;
    its tickets are done. Raises OmsError."""
    kind = InboundFact.objects.values_list("kind", flat=True).get(pk=fact_id)
    if kind == UNREADABLE:
        read_again(fact_id, by=by)
    else:
        facts_by_hand.replay(fact_id, by=by)


tickets.register_retry("fact", tickets.Retry("common.replay_inboundfact", lambda key, by: replay(key, by=by)))
