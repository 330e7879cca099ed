"""What goes out can be stopped; then it waits, is kept, and a person lets it go on."""

from io import StringIO
from typing import Any

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from logistics.carriers import dispatching
from logistics.warehouses import releasing, sending, stopping
from oms import figures
from oms.common import outbound
from oms.common.models import OutboundStop
from oms.merchants.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from oms.merchants.webhooks import endpoints, serving
from orders.changing.cancelling import cancel_order
from payments.taking import requesting
from tests import factories, fakes, steps
from tests.admin.conftest import client_of
from tests.webhooks.conftest import subscribe
from tests.webhooks.receiver import receiver
from tests.webhooks.test_sending import tell

pytestmark = pytest.mark.django_db
PAGE = "/admin/common/outboundstop/"


@pytest.fixture(autouse=True)
def _fresh_figures() -> None:
    figures.forget()


def test_no_other_system_is_called_until_it_is_resumed(shop: factories.Shop) -> None:
    to_pay_back = shop.place_order()
    steps.pay(to_pay_back)
    cancel_order(to_pay_back.pk, reason="x", actor=steps.STAFF)
    packed = steps.released(shop.place_order(payment_method="cod"))
    steps.warehouse_says(packed, "packed")
    to_stop = steps.released(shop.place_order(payment_method="cod"))
    cancel_order(to_stop.order_id, reason="x", actor=steps.STAFF)
    to_release = factories.allocated_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    to_pay = shop.place_order()
    factories.run(requesting.intend)
    outbound.stop(by="li", note="drill")

    with (
        fakes.provider(fakes.FakeProvider()) as provider,
        fakes.warehouse(fakes.FakeWarehouse()) as warehouse,
        fakes.carrier(fakes.FakeCarrier()) as carrier,
    ):
        factories.run(stopping.pass_on)
        stages = (requesting.request, requesting.refund, releasing.run, sending.run, dispatching.run, stopping.run)
        assert [steps.once(stage) for stage in stages] == [0] * 6
        assert (provider.asked, provider.refunds, warehouse.released, warehouse.cancelled, carrier.booked) == ([],) * 5

        outbound.resume(by="li")
        factories.run(*stages)
        assert f"{to_pay.number}-P1" in [charge.reference for charge in provider.asked]
        assert f"{to_release.sub_orders.get().number}-W1" in warehouse.released
        assert warehouse.cancelled == [f"{to_stop.number}-W1"]
    assert steps.broken_invariants() == []


def test_no_webhook_is_sent_until_it_is_resumed(shop: factories.Shop, settings: Any) -> None:
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = settings.WEBHOOKS_ALLOW_HTTP = True
    with receiver() as server:
        subscribe(shop.merchant, server.url)
        tell(shop.merchant, 3)
        outbound.stop(by="li", note="drill")
        assert (serving.run(10), len(server.received)) == (0, 0)
        assert set(WebhookDelivery.objects.values_list("state", "attempts")) == {("pending", 0)}

        outbound.resume(by="li")
        assert (serving.run(10), len(server.received)) == (3, 3)


def test_no_mail_is_sent_until_it_is_resumed(shop: factories.Shop) -> None:
    WebhookEndpoint.objects.create(
        merchant=shop.merchant, url="https://1.1.1.1/", event_types=["*"], secret=b"x", notice_due=True,
        contact_email="ops@shop.example",
    )  # fmt: skip
    outbound.stop(by="li", note="drill")
    assert (endpoints.send_notices(), mail.outbox) == (0, [])

    outbound.resume(by="li")
    assert (endpoints.send_notices(), len(mail.outbox)) == (1, 1)


def test_the_question_costs_no_statement_of_its_own(shop: factories.Shop) -> None:
    factories.allocated_order((shop.sku, 1, "10.00"), merchant=shop.merchant)
    outbound.stop(by="li", note="drill")
    with CaptureQueriesContext(connection) as captured:
        assert releasing.run(10) == 0
    assert len([query for query in captured if "SAVEPOINT" not in query["sql"]]) == 1


def test_a_message_that_was_sent_all_the_same_breaks_an_invariant(shop: factories.Shop, settings: Any) -> None:
    settings.WEBHOOKS_ALLOW_PRIVATE_ADDRESSES = settings.WEBHOOKS_ALLOW_HTTP = True
    subscribe(shop.merchant)
    tell(shop.merchant)
    outbound.stop(by="li", note="drill")
    attempt = {"number": 1, "started_at": timezone.now() + timezone.timedelta(minutes=2), "duration_ms": 1}
    WebhookAttempt.objects.create(delivery=WebhookDelivery.objects.get(), **attempt)
    assert [name.split(":")[0] for name in steps.broken_invariants()] == ["nothing_was_sent_while_stopped"]


def test_there_is_one_stop_at_a_time_and_none_is_resumed_by_nobody() -> None:
    outbound.stop(by="li", note="drill")
    with pytest.raises(IntegrityError, match="outbound_is_stopped_once_at_a_time"), transaction.atomic():
        OutboundStop.objects.create(reason="restored", stopped_by="x")
    with pytest.raises(IntegrityError, match="outbound_is_resumed_by_somebody"), transaction.atomic():
        OutboundStop.objects.update(resumed_at=timezone.now())


# --- Who switches it


def test_staff_with_the_right_stop_and_resume_and_the_page_remembers_who(shop: factories.Shop) -> None:
    boss = client_of("view_outboundstop", "switch_outbound", username="wang")
    assert boss.post(f"{PAGE}stop/", {"note": ""}).status_code == 302
    assert not outbound.is_stopped()
    boss.post(f"{PAGE}stop/", {"note": "the carrier's system repeats parcels"})
    assert "stopped already" in boss.post(f"{PAGE}stop/", {"note": "again"}, follow=True).content.decode()
    boss.post(f"{PAGE}resume/")
    assert "is not stopped" in boss.post(f"{PAGE}resume/", follow=True).content.decode()

    (stop,) = OutboundStop.objects.all()
    assert (stop.reason, stop.note) == ("by_hand", "the carrier's system repeats parcels")
    assert (stop.stopped_by, stop.resumed_by) == ("wang", "wang")
    assert stop.resumed_at is not None
    page = boss.get(PAGE).content.decode()
    assert "the carrier&#x27;s system repeats parcels" in page


def test_without_the_right_nobody_switches_it(reader_of_stops: Client) -> None:
    assert reader_of_stops.post(f"{PAGE}stop/", {"note": "x"}).status_code == 403
    outbound.stop(by="li", note="drill")
    assert reader_of_stops.post(f"{PAGE}resume/").status_code == 403
    assert "Resume</button>" not in reader_of_stops.get(PAGE).content.decode()
    assert reader_of_stops.get(f"{PAGE}resume/").status_code == 405
    assert outbound.is_stopped()


@pytest.fixture
def reader_of_stops(db: None) -> Client:
    return client_of("view_outboundstop")


def test_everybody_sees_it_above_every_page(shop: factories.Shop) -> None:
    clerk = client_of("view_order")
    pages = ("/admin/", "/admin/orders/order/", f"/admin/orders/order/{shop.place_order().pk}/change/")
    assert not any("Nothing goes out since" in clerk.get(page).content.decode() for page in pages)
    outbound.stop(by="li", note="drill <1>")

    for page in pages:
        content = clerk.get(page).content.decode()
        assert "Nothing goes out since" in content
        assert "By hand (drill &lt;1&gt;)" in content
        assert PAGE not in content  # they may not look at it
    assert PAGE in client_of("view_outboundstop").get("/admin/").content.decode()


def test_the_command_says_stops_and_resumes() -> None:
    def run(*arguments: str) -> str:
        output = StringIO()
        call_command("outbound", *arguments, stdout=output)
        return output.getvalue()

    assert run() == "Everything goes out.\n"
    assert "by_hand" in run("stop", "--note", "drill")
    with pytest.raises(CommandError, match=r"stopped already|已"):
        run("stop")
    assert "drill" in run("status")
    assert run("resume") == "Everything goes out.\n"
    assert OutboundStop.objects.get().resumed_by.endswith("(command line)")


def test_probes_say_so(client: Client) -> None:
    assert client.get("/health/progress").json()["outbound"] == "on"
    assert "oms_outbound_stopped 0.0" in client.get("/metrics").content.decode()
    outbound.stop(by="li", note="drill")
    figures.forget()
    assert client.get("/health/progress").json()["outbound"] == "stopped"
    assert "oms_outbound_stopped 1.0" in client.get("/metrics").content.decode()
