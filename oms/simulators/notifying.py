"""Telling the merchant what happened, until it is heard; and buyers and banks that act by themselves after a while."""

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from threading import Event
from typing import Protocol

import httpx

from oms.simulators import books, counters
from oms.simulators.books import Book, BookError, Notice
from oms.simulators.mischief import Twist


@dataclass(frozen=True, slots=True)
class Posted:
    """A notification as it goes over the line."""

    url: str
    body: str
    headers: dict[str, str] = field(default_factory=dict)


class Teller(Protocol):
    """A peer that tells what happened."""

    book: Book

    def write(self, notice: Notice, twist: Twist = Twist.NOTHING) -> Posted | None:
        """The notification, or None where nobody is to be told."""

    def is_heard(self, status: int, text: str) -> bool:
        """Whether the answer ends the repetitions."""


Post = Callable[[Posted], tuple[int, str]]


@cache
def _client() -> httpx.Client:
    return httpx.Client(timeout=5)


def post(posted: Posted) -> tuple[int, str]:
    """Send it over the network; status and text of the answer. 0 where there is none."""
    try:
        answer = _client().post(posted.url, content=posted.body.encode(), headers=posted.headers)
    except httpx.HTTPError as error:
        return 0, str(error)
    return answer.status_code, answer.text


def deliver(
    peer: Teller, notice: Notice, send: Post = post, *, twist: Twist = Twist.NOTHING, pauses: Sequence[float] = ()
) -> tuple[int, str]:
    """Send a notification once; it is over where it was heard, or no pause is left."""
    posted = peer.write(notice, twist)
    if posted is None:
        peer.book.told(notice, is_heard=True, pauses=pauses)
        return 0, ""
    status, text = send(posted)
    peer.book.told(notice, is_heard=peer.is_heard(status, text), pauses=pauses)
    return status, text


@dataclass(frozen=True, slots=True)
class Habits:
    """How long people and banks take, in seconds, and after which pauses is told again what was not heard."""

    pays_after: float
    refunds_after: float
    pauses: Sequence[float]


def live(peer: Teller, habits: Habits, stop: Event, send: Post = post) -> None:
    """Be buyers, bank and messenger of a peer until `stop`."""
    while not stop.wait(0.2):
        step(peer, habits, send)


def step(peer: Teller, habits: Habits, send: Post = post) -> None:
    """What is due now: buyers pay, refunds arrive, what happened is told."""
    book, moment = peer.book, books.now()
    with suppress(BookError):
        if counters.is_automatic(book):
            for number in book.waiting_since(moment - habits.pays_after * random.uniform(0.5, 1.5)):  # noqa: S311
                with suppress(BookError):
                    book.pay(number)
    for number in book.processing_since(moment - habits.refunds_after):
        with suppress(BookError):
            book.finish_refund(number)
    for notice in book.notices(due_before=books.now()):
        deliver(peer, notice, send, pauses=habits.pauses)
