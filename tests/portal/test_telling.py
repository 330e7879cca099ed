"""Merchants told in time: each thing once to each receiver that chose it, all that is new in one message; what fails
is seen and said later; nothing of others."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from logistics.models import WarehouseOrder
from logistics.watching.robots import NotTold
from logistics.watching.robots.known import ROBOTS
from oms.common.errors import FieldError, OmsError, WrongFields
from oms.common.models import Connection
from oms.common.secrecy import seal
from oms.merchants.invariants import INVARIANTS
from oms.merchants.joining.roles import Role
from oms.merchants.models import (
    DisabledBecause,
    MerchantNews,
    MerchantReceiver,
    MerchantTelling,
    NewsKind,
    WebhookDelivery,
    WebhookEndpoint,
)
from oms.merchants.webhooks import endpoints
from oms.telling import gathering, receivers, sending
from oms.telling.receivers import Wanted
from orders.intake.rejecting import RefusedRow, keep
from orders.models import RejectedOrder
from tests import factories, steps
from tests.invariants import check
from tests.machines import run_apart
from tests.portal import world
from tests.returns import world as returns

pytestmark = pytest.mark.django_db
LIST = "/merchant/merchants/merchantreceiver/"
ALL = list(NewsKind.values)


@pytest.fixture
def seller(db: None) -> world.Seller:
    """A merchant that ships by itself."""
    returns.install()
    return world.make_seller()


def told(seller: world.Seller, *kinds: str, means: str = "mail", **changed: Any) -> MerchantReceiver:
    """A receiver of these kinds, of all unless some are named."""
    address = {"mail": "li@example.com", "webhook": ""}.get(means, "x" * 30)
    told = {"every_minutes": 1, "language": "en", "address": address, **changed}
    made = receivers.add(seller.merchant, Wanted("Li", means, kinds or ALL, **told))
    # What a test's one transaction writes is dated when that began.
    MerchantReceiver.objects.filter(pk=made.pk).update(since=timezone.now() - timedelta(minutes=1))
    return made


def gather() -> None:
    """Whoever is due or not is told now what is new."""
    MerchantReceiver.objects.update(next_at=timezone.now())
    gathering.gather()
    factories.run(sending.run)


def refuse(seller: world.Seller, number: str) -> None:
    """A row of this number is refused."""
    error = FieldError("lines", "required", "Give lines.")
    row = RefusedRow(json.dumps({"external_number": number}).encode(), number, [error])
    keep(seller.merchant, RejectedOrder.Door.BULK, [row])


def listening(seller: world.Seller, event_type: str) -> WebhookEndpoint:
    """An endpoint of the merchant that wants the type."""
    url = "https://shop.example/hook"
    return WebhookEndpoint.objects.create(
        merchant=seller.merchant, url=url, event_types=[event_type], secret=seal("whsec_x")
    )


def factories_stages() -> list[Any]:
    """What takes an order to its warehouse, or to its wait for stock."""
    return [world.deciding.run, world.splitting.run, world.allocating.run]


def test_what_was_there_before_or_is_not_chosen_or_is_anothers_is_not_told(seller):
    refuse(seller, "OLD")
    RejectedOrder.objects.update(last_at=timezone.now() - timedelta(minutes=5))
    told(seller, "refused", "statement")
    other = world.make_seller()
    told(other, "refused", address="other@example.com")
    seller.orders(1)
    refuse(seller, "NEW")
    gather()
    (message,) = mail.outbox
    assert message.to == ["li@example.com"]
    assert message.body == "Refused rows 1: NEW"


def test_many_are_counted_and_the_first_are_named_and_the_pace_is_kept(seller):
    receiver = told(seller, "refused", every_minutes=60)
    for number in range(7):
        refuse(seller, f"R-{number}")
    assert gathering.gather() == 1
    refuse(seller, "LATER")
    assert gathering.gather() == 0
    factories.run(sending.run)
    assert mail.outbox[0].body == "Refused rows 7: R-0, R-1, R-2, R-3, R-4 …"
    MerchantReceiver.objects.filter(pk=receiver.pk).update(next_at=timezone.now())
    gathering.gather()
    factories.run(sending.run)
    assert [one.body for one in mail.outbox[1:]] == ["Refused rows 1: LATER"]


@pytest.mark.parametrize(("count", "statements"), [(1, 10), (40, 10)])
def test_gathering_takes_as_many_statements_for_many_as_for_one(seller, count, statements, django_assert_num_queries):
    told(seller, "refused", "to_ship")
    for number in range(count):
        refuse(seller, f"R-{number}")
    with django_assert_num_queries(statements):
        gathering.gather()


def test_a_webhook_has_it_as_data_or_it_is_seen_that_nobody_listens(seller):
    endpoint = listening(seller, "merchant.news")
    told(seller, "refused", means="webhook")
    refuse(seller, "R-1")
    gather()
    delivery = WebhookDelivery.objects.select_related("event").get()
    assert (delivery.event.type, delivery.event.data) == (
        "merchant.news",
        {"receiver": "Li", "is_test": False, "news": [{"kind": "refused", "count": 1, "names": ["R-1"]}]},
    )
    endpoints.disable(endpoint.pk, because=DisabledBecause.MERCHANT)
    refuse(seller, "R-2")
    gather()
    page = world.person_of(seller.merchant).get(LIST).content.decode()
    assert "The last message did not arrive" in page
    assert WebhookDelivery.objects.count() == 1


def test_a_robot_that_fails_is_seen_tried_again_and_gets_what_it_missed_once(seller, monkeypatch, settings):
    settings.MAX_ATTEMPTS = 2
    sent: list[str] = []

    def refusing(_link: Connection, _notice: Any) -> None:
        raise NotTold("310000 token is not exist")

    monkeypatch.setitem(ROBOTS, "dingtalk", refusing)
    li = world.person_of(seller.merchant)
    form = {"name": "群", "means": "dingtalk", "kinds": ["refused"], "every_minutes": "1", "language": "en"}
    address = "https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef"
    made = li.post(f"{LIST}add/", {**form, "address": address, "secret": "SEC1"})
    receiver = MerchantReceiver.objects.get()
    assert made["Location"] == f"{LIST}{receiver.pk}/change/"
    link = receiver.connection
    assert (link.base_url, link.secrets()) == (
        "https://oapi.dingtalk.com",
        {"access_token": "0123456789abcdef", "secret": "SEC1"},
    )
    refuse(seller, "R-1")
    gather()
    Connection.objects.update(paused_until=None)
    steps.once(sending.run)
    assert MerchantTelling.objects.get().needs_person_since is not None
    assert "stuck_merchant_telling" in [kind for kind, _reason in steps.tickets()]
    page = li.get(f"{LIST}{receiver.pk}/change/").content.decode()
    assert "The last message did not arrive" in page
    assert "token is not exist" in page
    assert "0123456789abcdef" not in page

    monkeypatch.setitem(ROBOTS, "dingtalk", lambda _link, notice: sent.append(notice.text))
    Connection.objects.update(paused_until=None, failures=0)
    li.post(f"{LIST}{receiver.pk}/test/")
    factories.run(sending.run)
    assert sorted(sent) == ["Refused rows 1: R-1", f"This is a test: news of {seller.merchant.name} comes here."]
    assert "stuck_merchant_telling" not in [kind for kind, _reason in steps.tickets()]
    gather()
    assert len(sent) == 2
    assert "Healthy" in li.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("means", "address", "words"),
    [
        ("mail", "", "Give the mailboxes"),
        ("mail", "li@example.com, nobody", "Give up to 5 e-mail addresses"),
        ("mail", ",".join(f"a{i}@example.com" for i in range(6)), "Give up to 5 e-mail addresses"),
        ("dingtalk", "https://internal.example/robot/send?access_token=0123456789abcdef", "begins with"),
        ("dingtalk", "http://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef", "begins with"),
        ("wecom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send", "Paste the whole address"),
        ("feishu", "../../x", "begins with"),
    ],
)
def test_an_address_that_is_none_is_said_at_its_field(seller, means, address, words):
    li = world.person_of(seller.merchant)
    form = {"name": "x", "means": means, "kinds": ["refused"], "every_minutes": "1", "language": "en"}
    answer = li.post(f"{LIST}add/", {**form, "address": address})
    assert words in " ".join(answer.context["form"].errors["address"])
    assert not MerchantReceiver.objects.exists()
    assert not Connection.objects.filter(kind="robot").exists()


def test_keys_of_robots_are_read_from_what_their_tools_show(seller):
    hook = "https://open.feishu.cn/open-apis/bot/v2/hook/0123-4567-89ab"
    assert told(seller, means="feishu", address=hook).connection.secrets() == {"hook": "0123-4567-89ab"}
    wecom = told(seller, means="wecom", address="0123456789", secret="not for wecom").connection
    assert (wecom.base_url, wecom.secrets()) == ("https://qyapi.weixin.qq.com", {"key": "0123456789"})


def test_a_receiver_is_changed_switched_off_and_on_by_its_version(seller):
    li = world.person_of(seller.merchant)
    receiver = told(seller, "refused")
    form = {"name": "Zhao", "kinds": ["to_ship"], "every_minutes": "1440", "language": "zh-hans", "version": 1}
    li.post(f"{LIST}{receiver.pk}/edit/", {**form, "address": "zhao@example.com"})
    stale = li.post(f"{LIST}{receiver.pk}/edit/", form, follow=True)
    assert "changed" in stale.content.decode()
    receiver = MerchantReceiver.objects.select_related("connection").get()
    assert (receiver.name, receiver.kinds, receiver.connection.options) == (
        "Zhao",
        ["to_ship"],
        {"to": ["zhao@example.com"]},
    )
    li.post(f"{LIST}{receiver.pk}/switch-off/", {"version": receiver.version})
    seller.orders(1)
    gather()
    assert mail.outbox == []
    assert "Switch it on first" in li.post(f"{LIST}{receiver.pk}/test/", follow=True).content.decode()
    receiver = MerchantReceiver.objects.get()
    before = timezone.now() - timedelta(minutes=5)
    WarehouseOrder.objects.update(sent_at=before, created_at=before)
    li.post(f"{LIST}{receiver.pk}/switch-on/", {"version": receiver.version})
    gather()
    assert mail.outbox == []  # what came while it was off was seen elsewhere
    seller.orders(1)
    gather()
    assert len(mail.outbox) == 1


def test_receivers_of_others_are_not_found_and_only_who_may_chooses(seller):
    receiver = told(seller, "refused")
    stranger = world.person_of(world.make_seller().merchant)
    clerk = world.person_of(seller.merchant, Role.LOGISTICS)
    for action in ("test", "edit", "switch-off", "switch-on"):
        form = {"version": 1, "name": "x", "kinds": ["refused"], "every_minutes": 1, "language": "en"}
        assert stranger.post(f"{LIST}{receiver.pk}/{action}/", form).status_code == 404
        assert clerk.post(f"{LIST}{receiver.pk}/{action}/", form).status_code == 403
    assert clerk.get(LIST).status_code == 403
    assert MerchantReceiver.objects.get().version == 1
    assert mail.outbox == []


def test_merchants_whose_codes_begin_alike_have_robots_each(db):
    for end in ("A", "b", "B"):
        merchant = factories.MerchantFactory(code=f"SHANGHAI-LONG-STREET-FLAGSHIP-{end}")
        receivers.add(merchant, Wanted("Li", "dingtalk", ALL, 1, "en", "x" * 30))
    assert Connection.objects.filter(kind="robot").count() == 3


def test_no_more_than_twenty_receivers_and_only_known_kinds(seller):
    with pytest.raises(WrongFields):
        told(seller, "gossip")
    for _number in range(receivers.MOST):
        told(seller, "refused", means="webhook")
    with pytest.raises(receivers.TooManyReceivers):
        told(seller, "refused", means="webhook")


def test_what_is_old_is_forgotten(seller):
    told(seller, "refused")
    refuse(seller, "R-1")
    gather()
    assert gathering.forget() == 0
    old = timezone.now() - gathering.KEPT_FOR - timedelta(hours=1)
    MerchantNews.objects.update(found_at=old)
    MerchantTelling.objects.update(written_at=old)
    RejectedOrder.objects.update(last_at=old)
    assert gathering.forget() > 0
    assert not MerchantTelling.objects.exists()
    gather()
    assert len(mail.outbox) == 1


class Hearing(RuleBasedStateMachine):
    """Two merchants with receivers, of whom some do not hear for a while."""

    @initialize()
    def begin(self) -> None:
        """Nothing happened yet."""
        self.sellers = [world.make_seller() for _ in range(2)]
        self.is_deaf = False
        self.heard: list[tuple[str, str]] = []
        self.expected: dict[str, set[str]] = {}
        self.numbers = 0

    @rule(which=st.integers(0, 1))
    def listen(self, which: int) -> None:
        """Somebody wants to be told of refused rows from now on."""
        if len(self.expected) > 4:
            return
        box = f"box{len(self.expected)}@example.com"
        receiver = told(self.sellers[which], "refused", address=box)
        self.expected[box] = set()
        receiver.name = box
        receiver.save()

    @rule(which=st.integers(0, 1), count=st.integers(1, 8))
    def refuse(self, which: int, count: int) -> None:
        """Rows are refused; whoever listens now is to hear of each."""
        merchant = self.sellers[which].merchant
        for _row in range(count):
            self.numbers += 1
            refuse(self.sellers[which], f"R{self.numbers:04}")
            for receiver in MerchantReceiver.objects.filter(merchant=merchant, is_active=True):
                self.expected[receiver.name].add(f"R{self.numbers:04}")

    @rule(is_deaf=st.booleans())
    def mail_server(self, is_deaf: bool) -> None:
        """The mail server does not answer, or does again."""
        self.is_deaf = is_deaf

    @rule()
    def gather(self) -> None:
        """Time passes: what is new is gathered, however often."""
        gathering.gather()
        MerchantReceiver.objects.update(next_at=timezone.now())
        gathering.gather()

    @rule(which=st.integers(0, 9))
    def test(self, which: int) -> None:
        """Somebody tries whether a message arrives."""
        rows = list(MerchantReceiver.objects.order_by("pk"))
        if rows:
            receivers.test(rows[which % len(rows)].pk)

    @rule()
    def send(self) -> None:
        """The workers send."""
        Connection.objects.update(paused_until=None)

        def hear(link: Connection, notice: Any) -> None:
            if self.is_deaf:
                raise ConnectionError("no answer")
            self.heard.append((link.options["to"][0], notice.key))

        before, ROBOTS["mail"] = ROBOTS["mail"], hear  # type: ignore[index]
        try:
            factories.run(sending.run)
        except OmsError:
            raise
        finally:
            ROBOTS["mail"] = before  # type: ignore[index]

    @invariant()
    def nothing_is_said_twice_or_to_others(self) -> None:
        """Each message is heard once, each row is in one of them, and nobody hears of what is not for it."""
        if not hasattr(self, "sellers"):
            return
        assert len(set(self.heard)) == len(self.heard)
        assert [found.invariant.name for found in check(INVARIANTS)] == []
        for box, expected in self.expected.items():
            names = list(MerchantNews.objects.filter(receiver__name=box).values_list("name", flat=True))
            assert len(set(names)) == len(names)
            assert set(names) <= expected
            sent = {f"news-{pk}" for pk in self._sent(box)}
            assert sent == {key for to, key in self.heard if to == box}

    def _sent(self, box: str) -> list[int]:
        rows = MerchantTelling.objects.filter(receiver__name=box, sent_at__isnull=False)
        return list(rows.values_list("pk", flat=True))

    def teardown(self) -> None:
        """In the end everybody heard of everything."""
        if not hasattr(self, "sellers"):
            return
        self.is_deaf = False
        self.gather()
        for receiver in MerchantReceiver.objects.all():
            receivers.test(receiver.pk)
        self.send()
        for box, expected in self.expected.items():
            heard = MerchantNews.objects.filter(receiver__name=box, telling__sent_at__isnull=False)
            assert set(heard.values_list("name", flat=True)) == expected
        self.nothing_is_said_twice_or_to_others()


def test_whatever_fails_each_receiver_hears_of_everything_once() -> None:
    run_apart(Hearing, examples=15, steps=14)


def test_the_task_runs_until_nobody_is_due(seller: world.Seller) -> None:
    from oms.tasks import tell_merchants

    told(seller, "refused")
    refuse(seller, "R-1")
    assert tell_merchants() == 1
    assert tell_merchants() == 0
