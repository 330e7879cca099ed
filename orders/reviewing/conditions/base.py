"""What a typed condition is: its parameters, its SQL over an order, and its words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import gettext as _

from orders.reviewing import params
from orders.reviewing.params import Param

# Of the rows that broke a limit so many are named.
MOST_NAMED = 10


@dataclass(slots=True)
class Builder:
    """Collects the parameters of one statement over orders `o`.

    `moment` is SQL for when the orders are judged. In a rehearsal it is the moment when each would have been, and what
    other orders were like then is read from their times; else it is now.
    """

    moment: str = "now()"
    is_rehearsal: bool = False
    delay_seconds: float = 0
    speed: float = 1
    values: dict[str, Any] = field(default_factory=dict)
    _aliases: int = 0

    def bind(self, value: Any, cast: str) -> str:
        """A placeholder for the value, as SQL of the type."""
        name = f"p{len(self.values)}"
        self.values[name] = value
        return f"%({name})s::{cast}"

    def alias(self) -> str:
        """A name that nothing else in the statement has."""
        self._aliases += 1
        return f"m{self._aliases}"

    def minutes(self, count: int) -> str:
        """SQL for a deliberate wait of so many minutes on this installation."""
        return f"make_interval(secs => {self.bind(count * 60 / self.speed, 'float8')})"

    def delay(self, channel: str) -> str:
        """SQL for how long the review of a channel's orders (its alias) is delayed."""
        usual = self.bind(self.delay_seconds, "float8")
        speed = self.bind(self.speed, "float8")
        return f"make_interval(secs => coalesce({channel}.review_delay_seconds, {usual}) / {speed})"


# Since when an order could be reviewed.
SINCE = "coalesce({0}.paid_at, {0}.created_at)"


@dataclass(frozen=True, slots=True)
class Sql:
    """A condition over the order `o`: `test` is true or false, never unknown; `found` is SQL (of jsonb) for what made
    it true, worked out of true ones alone; `join` is what both look at, with exactly one row for each order."""

    test: str
    found: str = "'{}'::jsonb"
    join: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A typed condition. `sentence` says it with the parameters in their places, what it does not name behind; without
    one, title and parameters."""

    code: str
    title: Any
    sql: Callable[[Builder, Mapping[str, Any]], Sql]
    params: Sequence[Param] = ()
    sentence: Any = None
    check: Callable[[Mapping[str, Any]], str] | None = None

    def in_words(self, values: Mapping[str, Any]) -> str:
        """The condition with its parameters, in the active language."""
        given = {param.name: params.shown(param, values[param.name]) for param in self.params if values[param.name]}
        if self.sentence is not None:
            sentence = str(self.sentence)
            rest = [text for name, text in given.items() if f"%({name})s" not in sentence]
            said = sentence % {**{param.name: "0" for param in self.params}, **given}
            return _("%(title)s: %(values)s") % {"title": said, "values": _("; ").join(rest)} if rest else said
        text = _("; ").join(given.values())
        return _("%(title)s: %(values)s") % {"title": self.title, "values": text} if text else str(self.title)


def over(found: str, limit: str, **more: str) -> str:
    """SQL for what was found above a limit."""
    return fact(found=f"({found})::text", limit=f"({limit})::text", **more)


def fact(**parts: str) -> str:
    """SQL for a JSON object of these SQL values."""
    pairs = ", ".join(f"'{name}', {value}" for name, value in parts.items())
    return f"jsonb_build_object({pairs})"


def figure(found: Mapping[str, Any], title: str) -> str:
    """What a rule found, short: the figures, or else what the condition is called."""
    if found.get("not"):
        return _("not (%(condition)s)") % {"condition": title}
    if "limit" in found:
        return f"{found['found']} > {found['limit']}"
    return str(found.get("found") or title)


def plain_figure(found: Mapping[str, Any]) -> str:
    """The same in no language; two that differ are two reasons."""
    if found.get("not"):
        return f"not {found['is']}"
    if "limit" in found:
        return f"{found['found']} > {found['limit']}"
    return str(found.get("found") or found["is"])


def found_word(alias: str, text: str, words: str, list_code: str) -> str:
    """A join `alias` with the first `word` of the words, or of the list's, that stands in a text (SQL)."""
    listed = f"""
        SELECT e.text FROM orders_reviewlistentry e JOIN orders_reviewlist b ON b.id = e.review_list_id
        WHERE b.code = {list_code} AND e.kind = 'word' AND {COUNTS}
    """
    return f"""
    LEFT JOIN LATERAL (
        SELECT w.word FROM (SELECT unnest({words}) AS word UNION ALL {listed}) AS w
        WHERE strpos(lower({text}), lower(w.word)) > 0 LIMIT 1
    ) AS {alias} ON true
    """


# Whether an entry `e` of a list counts now.
COUNTS = "e.is_active AND (e.expires_at IS NULL OR e.expires_at > now())"
