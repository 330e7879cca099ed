"""Writing what buyers are to be told, in the transaction of the fact: each fact once by each way."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import msgspec
from django.conf import settings
from django.db.models.functions import Now
from django.utils.translation import get_language

from oms.common import secrecy
from oms.common.messages.kinds import MessageKind, Value, filled, known
from oms.common.models import BuyerMessage, Connection, MessageTemplate, MessageWay, SystemKind
from oms.common.work import nudging

MAIL_STAGE, SMS_STAGE = "mail_buyers", "text_buyers"


class Content(msgspec.Struct):
    """What a message says; `values` are those of the template, for services that fill it in themselves."""

    subject: str
    text: str
    values: dict[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class News:
    """A fact that a buyer is told, by its own key; whom by mail and telephone, as far as it is known; `about_id` is the
    order's id."""

    key: str
    values: Mapping[str, Value]
    mail: str = ""
    phone: str = ""
    about_id: int | None = None
    language: str = ""


class _Way(NamedTuple):
    way: str
    language: str


def write(kind: MessageKind, news: Sequence[News]) -> None:
    """Write the messages of these facts, by every way for which there is a template and an address; what was written
    before is not written again. A few statements."""
    if not news:
        return
    templates = {
        _Way(one.way, one.language): one for one in MessageTemplate.objects.filter(kind=kind.code, is_active=True)
    }
    services = Connection.objects.filter(kind=SystemKind.SMS, is_active=True).order_by("id")
    service = services.first() if any(one.way == MessageWay.SMS for one in templates) else None
    rows = [row for fact in news for row in _rows(kind, fact, templates, service)]
    BuyerMessage.objects.bulk_create(rows, ignore_conflicts=True)
    nudging.nudge(MAIL_STAGE, SMS_STAGE)


def _rows(
    kind: MessageKind, fact: News, templates: Mapping[_Way, MessageTemplate], service: Connection | None
) -> list[BuyerMessage]:
    language = fact.language or settings.LANGUAGE_CODE
    values = {name: value if isinstance(value, str) else list(value) for name, value in fact.values.items()}
    rows = []
    for way, address in ((MessageWay.MAIL, fact.mail), (MessageWay.SMS, fact.phone), (MessageWay.SITE, "")):
        template = templates.get(_Way(way, language)) or templates.get(_Way(way, settings.LANGUAGE_CODE))
        if template is None or (way != MessageWay.SITE and not address):
            continue
        if way == MessageWay.SMS and service is None:
            continue
        said = template.language
        content = Content(filled(template.subject, values, said), filled(template.body, values, said), values)
        is_shown = way == MessageWay.SITE
        rows.append(
            BuyerMessage(
                kind=kind.code,
                key=fact.key,
                way=way,
                state=BuyerMessage.State.SHOWN if is_shown else BuyerMessage.State.QUEUED,
                ready_at=None if is_shown else Now(),
                connection=service if way == MessageWay.SMS else None,
                about_id=fact.about_id,
                address=secrecy.seal(address) if address else None,
                hint=_hint(address),
                content=secrecy.seal(msgspec.json.encode(content).decode()),
                provider_code=template.provider_code,
            )
        )
    return rows


def _hint(address: str) -> str:
    """What of an address staff see: 138****1111, l***@example.com."""
    name, at, host = address.partition("@")
    if at:
        return f"{name[:1]}***@{host}"[:80]
    return f"{address[:3]}****{address[-4:]}" if len(address) >= 9 else "****" if address else ""


def opened(message: BuyerMessage) -> Content:
    """What the message says; for the way to the buyer only. Raises cryptography.fernet.InvalidToken."""
    return msgspec.json.decode(secrecy.unseal(message.content), type=Content)


def forget(about_ids: Collection[int]) -> None:
    """Take away to whom messages about these went, and what they said; that they were sent stays."""
    messages = BuyerMessage.objects.filter(about_id__in=about_ids)
    messages.filter(address__isnull=False).update(address=secrecy.seal(""))
    messages.update(content=secrecy.seal(msgspec.json.encode(Content("", "", {})).decode()), hint="")


def shown(about_id: int) -> list[str]:
    """What is told on the page of an order (by id), the newest first, in the reader's language as far as there is a
    template in it."""
    rows = list(BuyerMessage.objects.filter(about_id=about_id, way=MessageWay.SITE).order_by("-id"))
    language = get_language() or settings.LANGUAGE_CODE
    own = MessageTemplate.objects.filter(way=MessageWay.SITE, language=language, kind__in=[row.kind for row in rows])
    bodies = dict(own.values_list("kind", "body"))
    contents = [(row.kind, opened(row)) for row in rows]
    return [filled(bodies[kind], told.values, language) if kind in bodies else told.text for kind, told in contents]


def install_defaults() -> None:
    """Make the templates that the kinds begin with; those that there are stay as they are."""
    MessageTemplate.objects.bulk_create(
        [
            MessageTemplate(kind=kind.code, way=way, language=language, subject=subject, body=body)
            for kind in known().values()
            for (way, language), (subject, body) in kind.defaults.items()
        ],
        ignore_conflicts=True,
    )
