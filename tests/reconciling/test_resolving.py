"""What people do about differences: each with a right of its own, booked, its ticket closed."""

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.urls import reverse

from oms.common.models import Ticket
from orders.actors import Actor
from orders.models import ActorKind, Order
from payments.models import BankTransfer, BillDay, BillMatch, LedgerEntry, Payment, Refund
from payments.owing import balancing
from payments.reconciling import importing, refreshing
from payments.taking import noticing, transfers
from tests import factories, steps
from tests.reconciling import world
from tests.reconciling.test_booking import booked

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]
ALL = ("view_billmatch", "tie_billmatch", "accept_fee_billmatch", "write_off_billmatch", "note_billmatch")


@pytest.fixture(autouse=True)
def _all_are_read(sources):
    world.read_all(sources)


@pytest.fixture
def finance(client):
    return _client(client, *ALL)


def _client(client, *rights: str):
    user = factories.UserFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client.force_login(user)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


def match_of(key: str) -> BillMatch:
    return BillMatch.objects.exclude(outcome="duplicate_row").get(key=key)


def act(client, key: str, remedy: str, **data: str) -> list[str]:
    """Use the remedy; what the page said."""
    page = client.post(reverse(f"admin:payments_billmatch_{remedy}", args=[match_of(key).pk]), data, follow=True)
    assert page.status_code == 200
    return [str(message) for message in page.context["messages"]]


def ticket_of(key: str) -> str:
    return Ticket.objects.get(kind="bill_difference", subject_id=match_of(key).pk).state


def test_money_of_a_payment_that_we_wait_for_is_captured_by_the_bill(finance):
    assert act(finance, "PW2611230010", "tie_to_payment", number="PW2611230010") == ["Done."]

    payment = Payment.objects.get(number="PW2611230010")
    assert (payment.state, payment.captured_amount) == ("captured", Decimal("10.00"))
    assert payment.transaction_number == "42000026002026112300000010"
    assert booked("wechat_trade", "PW2611230010") == {"1002": "-0.06", "5003": "0.06"}
    match = match_of("PW2611230010")
    assert (match.outcome, match.resolution, match.unexplained_fen) == ("matched", "tied", 0)
    assert ticket_of("PW2611230010") == "closed"
    assert world.broken() == []


def test_a_notice_that_comes_after_the_bill_ends_the_difference_by_itself(sources):
    link = sources["wechat_trade"].connection
    steps.notify("PW2611230010", "10.00", transaction="42000026002026112300000010", link=link)
    factories.run(noticing.run)

    assert refreshing.refresh() == 1
    match = match_of("PW2611230010")
    assert (match.outcome, match.resolution, match.resolved_by) == ("matched", "by_itself", "")
    assert booked("wechat_trade", "PW2611230010") == {"1002": "-0.06", "5003": "0.06"}
    assert ticket_of("PW2611230010") == "closed"
    assert world.broken() == []


def test_money_without_an_order_becomes_a_payment_of_the_order_it_was_for(finance, shop):
    order = shop.place_order((shop.sku, 1, "66.00"), freight_amount="0.00")

    assert act(finance, "EXT-99887766", "tie_to_order", number=order.number) == ["Done."]

    payment = Payment.objects.get(order=order)
    assert (payment.number, payment.state, payment.captured_amount) == ("EXT-99887766", "captured", Decimal("66.00"))
    assert booked("alipay_trade", "EXT-99887766") == {"1001": "-0.40", "5003": "0.40"}
    assert Order.objects.get(pk=order.pk).state == "in_review"
    assert world.broken() == []


def test_a_refund_of_the_back_office_is_goodwill_for_the_order(finance):
    page = act(finance, "RA2611230003-X", "tie_as_goodwill", number="PA2611230003", reason="damaged box")

    assert page == ["Done."]
    refund = Refund.objects.get(number="RA2611230003-X")
    assert (refund.state, refund.refunded_amount, refund.reason) == ("succeeded", Decimal("99.00"), "goodwill")
    assert booked("alipay_trade", "RA2611230003-X") == {"1001": "0.59", "5003": "-0.59"}
    factories.run(balancing.run)
    assert Refund.objects.filter(order=refund.order).count() == 1
    assert world.broken() == []


def test_a_refund_whose_result_we_do_not_know_is_that_of_the_bill(finance, sources):
    """The refund was made in the back office, since ours got no answer."""
    refund = Refund.objects.get(number="RW2611230001-1")
    BillMatch.objects.filter(key="RA2611230003-X").update(source=sources["wechat_trade"], amount_fen=-2850)

    assert act(finance, "RA2611230003-X", "tie_to_refund", number=refund.number) == ["Done."]
    assert Refund.objects.get(pk=refund.pk).state == "succeeded"
    assert match_of("RW2611230001-1").resolution == "by_itself"
    assert ticket_of("RW2611230001-1") == "closed"


def test_a_fee_is_accepted(finance):
    assert act(finance, "PA2611230006", "accept_fee") == ["Done."]

    assert booked("alipay_trade", "PA2611230006") == {"1001": "-2.00", "5003": "2.00"}
    assert match_of("PA2611230006").resolution == "fee_accepted"
    assert world.broken() == []


@pytest.mark.parametrize(
    ("form", "key", "accounts"),
    [
        ("alipay_trade", "PA2611230004", {"1001": "-0.52", "5003": "0.53", "6001": "-0.01"}),
        ("alipay_trade", "RA2611230003-X", {"1001": "-98.41", "5003": "-0.59", "6001": "99.00"}),
        ("alipay_trade", "PA2611230010", {"1001": "-240.00", "6001": "240.00"}),
        ("cod", "JDVB00000000003", {"1003": "118.80", "1004": "-130.00", "5005": "1.20", "6001": "10.00"}),
        ("cod", "JDVB00000000007", {"1003": "380.24", "1004": "-388.00", "5005": "3.88", "6001": "3.88"}),
        ("cod", "JDVB00000000008", {"1004": "-64.00", "6001": "64.00"}),
        ("bank", "B20261120003", {"1003": "560.00", "6001": "-560.00"}),
    ],
)
def test_a_difference_is_written_off_with_a_reason(finance, form, key, accounts):
    assert act(finance, key, "write_off", reason="too old") == ["Done."]

    assert booked(form, key) == accounts
    match = match_of(key)
    assert (match.resolution, match.reason, match.unexplained_fen) == ("written_off", "too old", 0)
    assert LedgerEntry.objects.filter(subject=f"bill_match:{match.pk}").latest("id").reason == "too old"
    assert ticket_of(key) == "closed"
    assert world.broken() == []


def test_what_ended_cannot_be_ended_again(finance):
    act(finance, "PA2611230006", "accept_fee")
    entries = LedgerEntry.objects.count()

    assert act(finance, "PA2611230006", "write_off", reason="?") == ["This has ended already."]
    assert LedgerEntry.objects.count() == entries


@pytest.mark.parametrize(
    ("key", "remedy", "data", "says"),
    [
        ("PA2611230004", "accept_fee", {}, "This is no remedy for such a difference."),
        ("PA2611230004", "note", {"reason": "?"}, "0.01 yuan of it are unexplained"),
        ("PA2611230012", "write_off", {"reason": "?"}, "No money is missing here"),
        ("EXT-99887766", "tie_to_payment", {"number": "PA2611230001"}, "Another row stands for PA2611230001 already."),
        ("EXT-99887766", "tie_to_payment", {"number": "?"}, "There is no payment ? over this connection."),
        ("EXT-99887766", "tie_to_payment", {"number": "PA2611230010"}, "The amounts differ: the bill has 66.00 yuan"),
        ("RA2611230003-X", "tie_to_order", {"number": "1"}, "This is no remedy for such a difference."),
        ("PA2611230004", "write_off", {}, "Reason: This field is required."),
    ],
)
def test_a_remedy_that_does_not_fit_changes_nothing(finance, key, remedy, data, says):
    before = list(BillMatch.objects.order_by("pk").values()), LedgerEntry.objects.count()

    (message,) = act(finance, key, remedy, **data)

    assert message.startswith(says)
    assert (list(BillMatch.objects.order_by("pk").values()), LedgerEntry.objects.count()) == before


@pytest.mark.parametrize(
    ("remedy", "right"),
    [
        ("tie_to_payment", "tie_billmatch"),
        ("tie_to_order", "tie_billmatch"),
        ("tie_to_refund", "tie_billmatch"),
        ("tie_as_goodwill", "tie_billmatch"),
        ("accept_fee", "accept_fee_billmatch"),
        ("write_off", "write_off_billmatch"),
        ("note", "note_billmatch"),
    ],
)
def test_each_remedy_needs_its_right(client, remedy, right):
    clerk = _client(client, *(known for known in ALL if known != right))
    address = reverse(f"admin:payments_billmatch_{remedy}", args=[match_of("PA2611230006").pk])

    assert clerk.post(address, {"reason": "?", "number": "?"}).status_code == 403
    assert clerk.get(address).status_code == 405
    assert match_of("PA2611230006").resolution == ""


def test_the_page_offers_what_fits(finance):
    def offered(key: str) -> list[str]:
        page = finance.get(reverse("admin:payments_billmatch_change", args=[match_of(key).pk]))
        return [shown.action.name for shown in page.context["row_actions"]]

    assert offered("EXT-99887766") == ["tie_to_payment", "tie_to_order", "write_off"]
    assert offered("RA2611230003-X") == ["tie_to_refund", "tie_as_goodwill", "write_off"]
    assert offered("PA2611230006") == ["accept_fee", "write_off"]
    assert offered("PA2611230012") == ["note"]
    assert offered("JDVB00000000003") == ["write_off", "note"]
    assert offered("PA2611230010") == ["write_off", "note"]
    assert offered("PA2611230001") == []


def test_the_day_is_closed_once_the_row_that_was_cut_short_came_whole(sources):
    """The file was cut in the download; the next one is whole."""
    name = "alipay-trade-20261123.csv"
    text = (world.BILLS / name).read_bytes().decode("gb18030")
    cut = next(line for line in text.splitlines() if "PA2611230012" in line)
    whole = next(line for line in text.splitlines() if "PA2611230001" in line)
    for old, new in (
        ("PA2611230001", "PA2611230012"),
        ("001\t,PA", "012\t,PA"),
        ("128.50", "33.30"),
        ("-0.77", "-0.20"),
    ):
        whole = whole.replace(old, new)
    importing.import_bill(
        sources["alipay_trade"].pk, text.replace(cut, whole).encode("gb18030"), file_name=name, by="li"
    )

    unreadable = BillMatch.objects.get(outcome="malformed_row", source=sources["alipay_trade"])
    assert unreadable.resolution == "by_itself"
    assert BillMatch.objects.get(key="PA2611230012", outcome="matched").difference_fen == 0
    day = BillDay.objects.get(connection__code="alipay")
    assert (day.trade_fen, day.fund_fen, day.difference_fen) == (222012, 208781, 0)
    assert day.closed_at is not None


def test_a_transfer_that_a_second_person_approves_is_what_the_bank_has(shop):
    order = shop.place_order((shop.sku, 1, "560.00"), freight_amount="0.00")
    assert booked("bank", "B20261120003") == {"1003": "560.00", "2901": "-560.00"}
    money = {"amount": Decimal("560.00"), "serial": "B20261120003", "paid_on": date(2026, 11, 23)}
    transfers.enter(order.pk, scan=transfers.Scan(b"%PDF-1", "application/pdf"), actor=steps.STAFF, **money)
    transfers.approve(BankTransfer.objects.get().pk, actor=Actor(ActorKind.STAFF, "wang"))

    refreshing.refresh()

    assert match_of("B20261120003").resolution == "by_itself"
    assert booked("bank", "B20261120003") == {}
    assert world.broken() == []
