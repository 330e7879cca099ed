"""Buyers are told that their goods are there, once by each way; what is refused calls a person."""

from collections.abc import Mapping, Sequence
from smtplib import SMTPRecipientsRefused
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMessage
from django.test import Client
from django.urls import reverse

from logistics.buyer import links as order_links
from logistics.virtual import links
from logistics.virtual.messages import GOODS_READY, goods_ready
from oms.common.messages import kinds, sending, services, writing
from oms.common.messages.services import Answer, Text
from oms.common.models import BuyerMessage, Connection, MessageTemplate, SystemKind, Ticket
from tests import factories, steps
from tests.admin.conftest import boss  # noqa: F401 - a member of staff
from tests.virtual import world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]


@pytest.fixture(autouse=True)
def _templates(db: None) -> None:
    writing.install_defaults()
    writing.install_defaults()


@pytest.fixture
def service() -> Connection:
    """An SMS service, in the sandbox."""
    return factories.ConnectionFactory(kind=SystemKind.SMS)


def sold(shop: factories.Shop, **changes: Any) -> Any:
    sku = world.code_sku(shop, name="月卡")
    world.bring(shop, sku, ["SECRET-CODE-OF-18"])
    return world.delivered(shop, sku, **{"invoice": {"title_type": "personal", "email": "li@example.com"}, **changes})


def states() -> dict[str, str]:
    return dict(BuyerMessage.objects.values_list("way", "state"))


def test_the_buyer_is_told_by_mail_sms_and_on_the_page_once_each(shop: factories.Shop, service: Connection) -> None:
    part = sold(shop)
    assert states() == {"mail": "queued", "sms": "queued", "site": "shown"}

    factories.run(sending.run_mail, sending.SMS.run)
    goods_ready([part.pk])
    factories.run(sending.run_mail, sending.SMS.run)

    assert states() == {"mail": "sent", "sms": "sent", "site": "shown"}
    (sent,) = mail.outbox
    assert (sent.to, "月卡" in sent.body, links.path_of(part).split(":")[0] in sent.body) == (
        ["li@example.com"],
        True,
        True,
    )
    assert "SECRET" not in sent.subject + sent.body
    row = BuyerMessage.objects.get(way="sms")
    assert (row.hint, row.about_id, row.connection) == ("138****1111", part.order_id, service)
    assert BuyerMessage.objects.get(way="mail").hint == "l***@example.com"
    assert writing.shown(part.order_id) == ["月卡 is there."]
    browser = Client(headers={"accept-language": "zh-hans"})
    track = order_links.path_of(part.order)
    browser.post(track, {"digits": "1111"})
    page = browser.get(track).content.decode()
    assert ("月卡 已发货。" in page, "领取" in page, "SECRET" in page) == (True, True, False)
    assert steps.tickets() == []


def test_where_no_address_template_or_service_is_known_that_way_is_not_taken(shop: factories.Shop) -> None:
    MessageTemplate.objects.filter(way="site").update(is_active=False)
    sold(shop, invoice=None)
    assert states() == {}


def test_what_is_refused_calls_a_person_and_is_not_sent_again(
    shop: factories.Shop, service: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: EmailMessage, fail_silently: bool = False) -> int:
        raise SMTPRecipientsRefused({"li@example.com": (550, b"no such user")})

    monkeypatch.setattr(EmailMessage, "send", refuse)
    monkeypatch.setattr(services.import_module("oms.common.messages.services.sandbox"), "SMS", _Refusing())
    sold(shop)

    factories.run(sending.run_mail, sending.SMS.run)
    factories.run(sending.run_mail, sending.SMS.run)

    assert states() == {"mail": "refused", "sms": "refused", "site": "shown"}
    told = {ticket.values["to"]: ticket.values["reason"] for ticket in Ticket.objects.open()}
    assert told["138****1111"] == "blacklisted"
    assert "550" in told["l***@example.com"]
    assert "li@example.com" not in str(told)


class _Refusing:
    """Refuses everything."""

    def send(self, link: Connection, texts: Sequence[Text]) -> Mapping[str, Answer]:
        return {one.reference: Answer(False, "blacklisted") for one in texts}


class _Silent:
    """Answers nothing at first, then takes what it is given; keeps the numbers."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def send(self, link: Connection, texts: Sequence[Text]) -> Mapping[str, Answer]:
        self.asked += [one.reference for one in texts]
        return {one.reference: Answer(True) for one in texts} if len(self.asked) > 1 else {}


def test_what_is_not_answered_is_sent_again_by_the_same_number(
    shop: factories.Shop, service: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    silent = _Silent()
    monkeypatch.setattr(services.import_module("oms.common.messages.services.sandbox"), "SMS", silent)
    sold(shop)
    steps.once(sending.SMS.run)
    row = BuyerMessage.objects.get(way="sms")
    assert (row.state, row.attempts, row.last_error) == ("queued", 1, "no answer")
    steps.once(sending.SMS.run)
    assert (states()["sms"], silent.asked) == ("sent", [str(row.pk)] * 2)


def test_a_mail_that_fails_is_put_off_and_at_last_left_for_a_person(
    shop: factories.Shop, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.MAX_ATTEMPTS = 2

    def fail(self: EmailMessage, fail_silently: bool = False) -> int:
        raise ConnectionRefusedError

    monkeypatch.setattr(EmailMessage, "send", fail)
    sold(shop)
    for _ in range(3):
        steps.once(sending.run_mail)
    row = BuyerMessage.objects.get(way="mail")
    assert (row.state, row.attempts, row.needs_person_since is not None) == ("queued", 2, True)
    assert steps.tickets() == [("stuck_buyer_message", "failed")]


@pytest.fixture
def template() -> MessageTemplate:
    return MessageTemplate.objects.get(kind=GOODS_READY.code, way="mail", language="zh-hans")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{goods} {link}", ""),
        ("{{x}} {goods}", ""),
        ("{goods", "braces"),
        ("{price}", "unknown_placeholder"),
        ("{goods.__class__}", "unknown_placeholder"),
        ("{goods!r}", "unknown_placeholder"),
        ("{goods:>9}", "unknown_placeholder"),
        ("{}", "unknown_placeholder"),
    ],
)
def test_a_template_fills_in_only_what_its_kind_has(text: str, said: str) -> None:
    assert [error.code for error in kinds.wrong(GOODS_READY, text, "body")] == ([said] if said else [])


def test_staff_edit_templates_which_are_checked_when_saved(
    boss: Client,  # noqa: F811
    template: MessageTemplate,
) -> None:
    address = reverse("admin:common_messagetemplate_change", args=[template.pk])
    page = boss.get(address).content.decode()
    assert "{link} link to the buyer" in page
    values = {"kind": template.kind, "way": "mail", "language": "zh-hans", "subject": "x", "is_active": "on"}

    refused = boss.post(address, {**values, "body": "{price} {link}"})
    assert (refused.status_code, "{price} is not known here. There are: {goods}" in refused.content.decode()) == (
        200,
        True,
    )
    assert boss.post(address, {**values, "body": "{{hi}} {link}"}).status_code == 302

    template.refresh_from_db()
    assert kinds.filled(template.body, {"link": "L"}, "zh-hans") == "{hi} L"
