"""What people do about differences: each with a right of its own, booked, its ticket closed."""

from datetime import date
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.db import transaction
from django.urls import reverse

from oms.common.models import Ticket
from orders.actors import Actor
from orders.models import ActorKind, Order
from payments.balances import issuing
from payments.balances.issuing import NewCard
from payments.models import BankTransfer, BillDay, BillMatch, BillSale, LedgerEntry, Payment, Refund
from payments.owing import balancing
from payments.reconciling import importing, refreshing
from payments.taking import doubling, noticing, transfers
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


def test_money_that_came_once_more_for_a_payment_goes_back_by_one_click_and_later_rows_know_it(client, sources):
    first = Payment.objects.get(number="PW2611230004")
    bill = (world.BILLS / "wechat-trade-20261123.csv").read_text(encoding="utf-8-sig").splitlines()
    again = bill[4].replace(f"`{first.transaction_number},", "`42000026002026112300000099,")
    total = "`2,`200.00,`0.00,`0.00,`1.20000,`200.00,`0.00"
    content = "\r\n".join([bill[0], bill[4], again, bill[-2], total]).encode()
    importing.import_bill(sources["wechat_trade"].pk, content, file_name="again.csv", by="li")
    match = BillMatch.objects.get(outcome="double_payment", source=sources["wechat_trade"])
    url = reverse("admin:payments_billmatch_send_back", args=[match.pk])

    assert _client(client, *ALL).post(url, {}).status_code == 403
    page = _client(client, *ALL, "return_payment").post(url, {}, follow=True)
    assert [str(message) for message in page.context["messages"]] == ["Done."]
    factories.run(balancing.run)
    double = Payment.objects.get(doubles=first)
    assert (double.transaction_number, double.captured_amount) == ("42000026002026112300000099", Decimal("100.00"))
    match.refresh_from_db()
    assert (match.outcome, match.resolution, match.payment, match.unexplained_fen) == ("matched", "tied", double, 0)
    assert Refund.objects.get(payment=double).amount == Decimal("100.00")
    page = _client(client, *ALL, "return_payment").post(url, {}, follow=True)
    assert [str(message) for message in page.context["messages"]] == ["This has ended already."]
    assert Payment.objects.filter(doubles=first).count() == 1
    assert world.broken() == []


def test_which_row_is_the_payment_and_which_is_money_that_came_once_more_does_not_hang_on_their_order(sources, shop):
    link, order = sources["wechat_trade"].connection, shop.place_order((shop.sku, 1, "100.00"), freight_amount="0.00")
    payment = Payment.objects.create(
        number=f"{order.number}-P1", order=order, means="online", connection=link, state="pending", amount=100
    )
    own, other = "42000026002026112300000050", "42000026002026112300000051"
    steps.notify(payment.number, "100.00", transaction=own, link=link)
    factories.run(noticing.run)
    bill = (world.BILLS / "wechat-trade-20261123.csv").read_text(encoding="utf-8-sig").splitlines()
    like = bill[4].replace("`PW2611230004,", f"`{payment.number},")
    of_like = Payment.objects.get(number="PW2611230004").transaction_number
    rows = [like.replace(f"`{of_like},", f"`{number},") for number in (other, own)]
    total = "`2,`200.00,`0.00,`0.00,`1.20000,`200.00,`0.00"
    content = "\r\n".join([bill[0], *rows, bill[-2], total]).encode()

    importing.import_bill(sources["wechat_trade"].pk, content, file_name="again.csv", by="li")

    told = BillMatch.objects.filter(payment=payment).values_list("row__transaction_number", "outcome")
    assert dict(told) == {own: "matched", other: "double_payment"}


def test_a_second_payment_that_a_person_booked_before_the_bill_came_is_found_in_it(sources):
    first = Payment.objects.get(number="PW2611230001")
    with transaction.atomic():
        again = doubling.Again(first.amount, "42000026002026112300000099", first.captured_at, "again:1")
        double = doubling.book(first, again, actor=steps.STAFF)
    bill = (world.BILLS / "wechat-trade-20261123.csv").read_text(encoding="utf-8-sig").splitlines()
    row = bill[1].replace(f"`{first.transaction_number},", "`42000026002026112300000099,")
    content = "\r\n".join([bill[0], row, bill[-2], "`1,`128.50,`0.00,`0.00,`0.77000,`128.50,`0.00"]).encode()
    importing.import_bill(sources["wechat_trade"].pk, content, file_name="again.csv", by="li")

    assert BillMatch.objects.get(payment=double).outcome == "matched"
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


def sold(shop, *amounts: str) -> list[str]:
    """Numbers of gift cards that were sold for these amounts."""
    cards = issuing.issue_cards(
        shop.merchant, [NewCard(Decimal(amount)) for amount in amounts], is_sold=True, key="B1", actor=steps.STAFF
    )
    return [issued.card.number for issued in cards]


def came_in(sources, *rows: tuple[str, str, str]) -> None:
    """A bank statement of money that came in: serial, amount, note."""
    head = "交易日期,交易时间,收入金额,支出金额,摘要,附言,流水号"
    lines = [
        f"2026-11-24,10:0{i}:00,{amount},0.00,转账,{note},{serial}" for i, (serial, amount, note) in enumerate(rows)
    ]
    total = sum(Decimal(amount) for _serial, amount, _note in rows)
    text = "\n".join(
        [
            "账号,6222000000000000001",
            "起止日期,2026-11-24 至 2026-11-25",
            head,
            *lines,
            f"收入合计,{total}",
            "支出合计,0.00",
        ]
    )
    importing.import_bill(sources["bank"].pk, text.encode("gb18030"), file_name="bank.csv", by="li")


def test_money_of_gift_cards_that_were_sold_is_recognised_by_their_numbers(sources, shop):
    first, second, third = sold(shop, "100.00", "50.00", "50.00")
    came_in(
        sources,
        ("S1", "100.00", f"购卡 {first}"),
        ("S2", "100.00", f"{second} {third}"),
        ("S3", "100.00", f"购卡 {first}"),
    )

    found = {key: (match_of(key).outcome, match_of(key).unexplained_fen) for key in ("S1", "S2", "S3")}
    # What a card cost comes once.
    assert found == {"S1": ("matched", 0), "S2": ("matched", 0), "S3": ("unidentified", 10000)}
    paid = [(row.match.key, row.movement.account.number) for row in BillSale.objects.order_by("pk")]
    assert paid == [("S1", first), ("S2", second), ("S2", third)]
    assert booked("bank", "S1") == {}
    assert world.broken() == []


def test_money_that_names_no_card_is_tied_to_cards_by_a_person(finance, sources, shop):
    first, second, third = sold(shop, "100.00", "50.00", "30.00")
    came_in(sources, ("S1", "150.00", "公司福利"))
    assert ticket_of("S1") == "open"
    said = act(finance, "S1", "tie_to_cards", numbers=f"{first}, {third}")
    assert said == ["The amounts differ: the bill has 150.00 yuan, our books have 130.00."]
    assert act(finance, "S1", "tie_to_cards", numbers=f"{first} GC0000000000") == [
        "Of GC0000000000 nothing was sold that is not paid yet."
    ]
    assert act(finance, "S1", "tie_to_cards", numbers=f"{first}, {second}") == ["Done."]

    match = match_of("S1")
    assert (match.outcome, match.resolution, match.unexplained_fen) == ("matched", "tied", 0)
    assert (ticket_of("S1"), BillSale.objects.count()) == ("closed", 2)
    assert world.broken() == []
