"""Red letters: what comes back, is cancelled or granted after an invoice is taken back by itself, to the fen."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from django.db import IntegrityError, connection, transaction

from oms.common.models import Ticket
from oms.merchants.models import LegalEntity
from oms.simulators.bureau import Bureau
from oms.simulators.mischief import Trick
from oms.simulators.nuonuo import CONFIRM_WITHIN_SECONDS, NuonuoPeer
from orders.changing import charging
from orders.intake.bodies import InvoiceBody
from orders.models import ChargeCause, Order, OrderEvent
from payments.granting import deciding, limits
from payments.granting.previewing import Wanted
from payments.invoicing import advancing, asking, books, planning
from payments.invoicing.lines import take_back
from payments.invoicing.writing import write_red
from payments.models import GrantKind, Invoice, InvoiceLine, InvoiceState, RedReason
from payments.owing import balancing
from tests import factories, steps
from tests.invoicing import world
from tests.invoicing.world import COMPANY, PERSON

pytestmark = pytest.mark.django_db


@pytest.fixture
def invoiced(shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer) -> Order:
    """Three units of 10.00 less a coupon of 1.00, one of 25.50, and 6.00 freight: delivered and invoiced."""
    order = world.delivered(
        shop.place_order((shop.sku, 3, "10.00"), (shop.other_sku, 1, "25.50"), coupon_amount="1.00", invoice=PERSON)
    )
    world.until_quiet(peer)
    assert world.states() == [("I1", "issued", "60.50")]
    return order


def give_back(order: Order, units: dict[int, int], reason: str = "sellers_fault") -> None:
    """Units of lines come back, and their money."""
    limits.install_defaults()
    user = factories.UserFactory(is_superuser=True)
    wanted = Wanted(GrantKind.RETURN, units=units)
    deciding.propose(order.pk, wanted, reason=reason, note="x", actor=steps.STAFF, user=user)
    factories.run(balancing.run)


def test_units_that_come_back_are_taken_back_by_a_red_invoice(invoiced: Order, peer: NuonuoPeer) -> None:
    give_back(invoiced, {1: 1})
    world.work()
    red = Invoice.objects.get(is_red=True)
    assert (red.state, red.red_reason) == ("confirming", RedReason.RETURNED)
    world.until_quiet(peer)

    red = Invoice.objects.get(is_red=True)
    assert (red.state, red.confirmation_state, len(red.official_number)) == ("issued", "01", 20)
    assert Invoice.objects.get(is_red=False).state == InvoiceState.PARTLY_RED
    (refund,) = invoiced.refunds.all()
    assert red.amount == -refund.amount
    assert [line[1] for line in world.lines(red)] == [-1, None]
    assert world.net_invoiced() == peer.bureau.net_issued() == Decimal("60.50") - refund.amount
    told = OrderEvent.objects.filter(order=invoiced, kind="invoice_red_issued").get()
    assert told.data["amount"] == str(red.amount)
    assert steps.broken_invariants() == []


def test_unit_by_unit_everything_comes_back_and_nothing_is_left(invoiced: Order, peer: NuonuoPeer) -> None:
    for units in ({1: 1}, {2: 1}, {1: 1}, {1: 1}):
        give_back(invoiced, units)
        world.until_quiet(peer)

    blue = Invoice.objects.get(is_red=False)
    assert blue.state == InvoiceState.RED
    assert world.net_invoiced() == peer.bureau.net_issued() == 0
    assert {(left.net, left.gross) for left in books.left_of([blue.pk])[blue.pk]} == {(0, 0)}
    assert steps.broken_invariants() == []


def test_goodwill_is_an_allowance_shared_by_the_lines(invoiced: Order, peer: NuonuoPeer) -> None:
    charging.give(invoiced.pk, Decimal("6.05"), ChargeCause.GOODWILL, reason="late", actor=steps.STAFF)
    world.until_quiet(peer)

    red = Invoice.objects.get(is_red=True)
    assert (red.red_reason, red.amount) == (RedReason.ALLOWANCE, Decimal("-6.05"))
    assert {line[1] for line in world.lines(red)} == {None}
    assert world.net_invoiced() == Decimal("54.45")


def test_what_comes_back_before_the_invoice_is_sent_makes_it_smaller(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    order = world.delivered(shop.place_order((shop.sku, 3, "10.00"), invoice=PERSON))
    planning.run(10)
    assert world.states() == [("I1", "requested", "36.00")]
    charging.give(order.pk, Decimal("5.00"), ChargeCause.GOODWILL, reason="late", actor=steps.STAFF)
    world.until_quiet(peer)

    assert world.states() == [("I1", "cancelled", "36.00"), ("I2", "issued", "31.00")]
    assert len(peer.bureau.by_number) == 1


def test_what_comes_back_while_it_is_being_issued_is_taken_back_afterwards(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer
) -> None:
    order = world.delivered(shop.place_order((shop.sku, 3, "10.00"), invoice=PERSON))
    world.work()
    charging.give(order.pk, Decimal("5.00"), ChargeCause.GOODWILL, reason="late", actor=steps.STAFF)
    world.work()
    assert world.states() == [("I1", "issuing", "36.00")]
    world.until_quiet(peer)

    assert world.states() == [("I1", "partly_red", "36.00"), ("I2", "issued", "-5.00")]
    assert steps.broken_invariants() == []


def test_another_title_takes_everything_back_and_then_issues_anew(invoiced: Order, peer: NuonuoPeer) -> None:
    asking.ask(invoiced.pk, InvoiceBody(**COMPANY), actor=steps.STAFF)
    world.work()
    assert world.states()[1] == ("I2", "confirming", "-60.50")
    assert Invoice.objects.count() == 2  # nothing anew before the red one is issued
    world.until_quiet(peer)

    assert world.states() == [("I1", "red", "60.50"), ("I2", "issued", "-60.50"), ("I3", "issued", "60.50")]
    assert Invoice.objects.get(is_red=True).red_reason == RedReason.MISTAKE
    assert [one.order["buyerName"] for one in peer.bureau.by_number.values()] == ["张华", "张华", "示例科技有限公司"]
    assert steps.broken_invariants() == []


def test_another_address_alone_changes_no_invoice(invoiced: Order, peer: NuonuoPeer) -> None:
    asking.ask(invoiced.pk, InvoiceBody(**{**PERSON, "email": "new@example.com"}), actor=steps.STAFF)
    world.until_quiet(peer)
    assert world.states() == [("I1", "issued", "60.50")]
    assert asking.email_of(Invoice.objects.get()) == "new@example.com"


def test_an_invoice_that_is_not_wanted_is_taken_back(invoiced: Order, peer: NuonuoPeer) -> None:
    asking.take_back(Invoice.objects.get().pk, issue_anew=False, actor=steps.STAFF)
    world.until_quiet(peer)
    assert world.states() == [("I1", "red", "60.50"), ("I2", "issued", "-60.50")]


def test_an_invoice_made_out_wrongly_is_issued_anew(invoiced: Order, peer: NuonuoPeer) -> None:
    asking.take_back(Invoice.objects.get().pk, issue_anew=True, actor=steps.STAFF)
    world.until_quiet(peer)
    assert [state for _number, state, _amount in world.states()] == ["red", "issued", "issued"]
    assert world.net_invoiced() == Decimal("60.50")


@pytest.mark.parametrize("trick", [Trick.ERROR_AFTER, Trick.DROP_AFTER, Trick.ERROR_BEFORE])
def test_an_answer_that_is_lost_makes_no_second_red_letter(invoiced: Order, peer: NuonuoPeer, trick: Trick) -> None:
    give_back(invoiced, {2: 1})
    peer.mischief.plan(trick)
    world.until_quiet(peer)
    assert len(peer.bureau.confirmations) == 1
    assert [state for _number, state, _amount in world.states()] == ["partly_red", "issued"]


@pytest.fixture
def booked(shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer) -> Order:
    """An invoiced order whose buyer booked the invoice: it must confirm red letters."""
    order = world.delivered(shop.place_order((shop.sku, 3, "10.00"), invoice={**COMPANY, "title": "已入账有限公司"}))
    world.until_quiet(peer)
    give_back(order, {1: 1})
    world.until_quiet(peer)
    red = Invoice.objects.get(is_red=True)
    assert (red.state, red.confirmation_state) == ("confirming", "02")
    return order


def test_a_buyer_who_booked_the_invoice_must_confirm_the_red_letter(booked: Order, peer: NuonuoPeer) -> None:
    # A refund waits for no invoice.
    assert booked.refunds.count() == 1
    peer.agree(Invoice.objects.get(is_red=True).number)
    world.until_quiet(peer)
    red = Invoice.objects.get(is_red=True)
    assert (red.state, red.confirmation_state) == ("issued", "04")
    assert steps.broken_invariants() == []


@pytest.mark.parametrize(("seconds", "state"), [(CONFIRM_WITHIN_SECONDS, "07"), (0.0, "05")])
def test_a_confirmation_that_ends_is_shown_and_entered_again(
    booked: Order, peer: NuonuoPeer, seconds: float, state: str
) -> None:
    if not seconds:
        peer.agree(Invoice.objects.get(is_red=True).number, to=False)
    world.later(peer, seconds)
    world.until_quiet(peer)
    red = Invoice.objects.get(is_red=True)
    assert (red.state, red.fail_reason) == ("failed", state)
    (ticket,) = Ticket.objects.filter(state="open")
    assert (ticket.kind, ticket.reason) == ("invoice_refused", f"red_{state}")
    assert steps.broken_invariants() == []

    asking.send_again(red.pk, actor=steps.STAFF)
    world.until_quiet(peer)
    again = Invoice.objects.latest("pk")
    assert (again.state, again.number) == ("confirming", f"{booked.number}-I3")
    peer.agree(again.number)
    world.until_quiet(peer)
    assert [one[1] for one in world.states()] == ["partly_red", "cancelled", "issued"]
    assert steps.tickets() == []


# --- The last guard


def committed(work: Callable[[], object]) -> None:
    """Do the work, and what is checked when its transaction ends; nothing of it stays where that fails."""
    with transaction.atomic():
        work()
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


def test_the_database_takes_no_red_invoice_above_the_blue_one(invoiced: Order) -> None:
    blue = Invoice.objects.get()
    lines = [take_back(left, left.gross) for left in books.left_of([blue.pk])[blue.pk]]

    def twice() -> None:
        for number in "12":
            write_red(blue, lines, RedReason.RETURNED, number=f"X-I{number}", by="li")

    with pytest.raises(IntegrityError, match="takes back more than there is"):
        committed(twice)


def test_the_database_takes_no_line_beyond_those_that_were_counted_nor_another_sum(invoiced: Order) -> None:
    line = InvoiceLine.objects.earliest("pk")
    more = {"name": "x", "tax_code": line.tax_code, "tax_rate": line.tax_rate, "net_amount": 1, "amount": 1}
    same = (
        "INSERT INTO payments_invoice (number, order_id, issuer_id, connection_id, state, kind, title_type, sealed,"
        " is_red, net_amount, tax_amount, amount, line_count) SELECT 'X-I8', order_id, issuer_id, connection_id,"
        f" '{InvoiceState.REQUESTED}', kind, title_type, sealed, false, 1, 0, 1, 1 FROM payments_invoice WHERE id = %s"
    )

    def add() -> None:
        InvoiceLine.objects.create(invoice=line.invoice, position=9, tax_amount=0, **{**more, "tax_rate": 0})

    def change() -> None:
        InvoiceLine.objects.filter(pk=line.pk).update(name="y")

    def empty() -> None:
        with connection.cursor() as cursor:
            cursor.execute(same, [line.invoice_id])

    for work, refusal in ((add, "has no line 9"), (change, "only ever added"), (empty, "is not what its lines come")):
        with pytest.raises(IntegrityError, match=refusal):
            committed(work)


def test_a_red_invoice_is_sent_with_the_places_of_the_blue_lines(invoiced: Order, peer: NuonuoPeer) -> None:
    give_back(invoiced, {2: 1}, reason="no_reason")
    steps.once(planning.run)
    steps.once(advancing.STAGE.run)
    (asked,) = peer.bureau.confirmations.values()
    # The first line and its discount come before.
    assert [line["blueDetailIndex"] for line in asked.order["detail"]] == ["3"]
    assert asked.order["redReason"] == "1"


def test_what_the_pretended_bureau_issued_can_be_taken_back_after_it_started_anew(
    shop: factories.Shop, company: LegalEntity, peer: NuonuoPeer, tmp_path: Path
) -> None:
    kept = peer.bureau = Bureau(tmp_path / "nuonuo.sqlite3")
    order = world.delivered(shop.place_order((shop.sku, 3, "10.00"), invoice=PERSON))
    world.until_quiet(peer)
    asking.ask(order.pk, InvoiceBody(**COMPANY), actor=steps.STAFF)
    world.until_quiet(peer)
    kept.shut()
    peer.bureau = Bureau(tmp_path / "nuonuo.sqlite3")
    assert (peer.bureau.by_number, peer.bureau.confirmations) == (kept.by_number, kept.confirmations)
    assert len(kept.by_number) == 3

    give_back(order, {1: 1})
    world.until_quiet(peer)
    assert [state for _number, state, _amount in world.states()] == ["red", "issued", "partly_red", "issued"]
    assert peer.bureau.net_issued() == world.net_invoiced() < 36
