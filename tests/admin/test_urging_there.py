"""Carriers are urged on with one click over their connections: what is late is asked for, and the page tells the
answers."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client

from logistics.carriers import urging as carriers
from logistics.carriers.adapters import Answer
from logistics.models import AlertGroup, LogisticsAlert, Shipment, Urging, WaybillErrand
from logistics.watching import urging
from oms.common.access import roles
from oms.common.errors import OmsError
from oms.common.models import Connection, Ticket
from oms.common.work.signed_json import SECRET, new_secret
from oms.shipped_roles import SHIPPED
from tests import factories, fakes, steps
from tests.admin.test_late_together import GROUPS, group  # noqa: F401 - a fixture
from tests.logistics.test_watching import scanned
from tests.webhooks import receiver

pytestmark = pytest.mark.django_db
BUTTON = "/urge-there/"


def page_of(late: AlertGroup, boss: Client) -> str:
    answer = boss.get(f"{GROUPS}{late.pk}/change/", headers={"accept-language": "zh-hans"})
    return answer.content.decode()


def test_with_one_click_all_that_is_late_is_asked_for_and_the_answers_are_shown(
    boss: Client,
    group: AlertGroup,  # noqa: F811
) -> None:
    first, second = Shipment.objects.order_by("pk")
    carrier = fakes.FakeCarrier()
    carrier.urge_answer = lambda one: Answer(one.reference == first.number, "查无此件")
    with fakes.carrier(carrier):
        boss.post(f"{GROUPS}{group.pk}{BUTTON}")
        recorded = Urging.objects.get()
        assert (recorded.means, recorded.count, recorded.by) == (
            "connection",
            2,
            get_user_model().objects.get().username,
        )
        assert Ticket.objects.get(kind="late_together").events.filter(kind="noted").count() == 1
        assert "尚未答复: 2" in page_of(group, boss)

        factories.run(carriers.run)

    assert {(one.reference, one.carrier, one.waybill) for one in carrier.urged} == {
        (row.number, "ZTO", row.waybill_number) for row in (first, second)
    }
    assert dict(WaybillErrand.objects.values_list("reference", "outcome")) == {
        first.number: "done",
        second.number: "refused",
    }
    page = page_of(group, boss)
    assert "成功: 1" in page
    assert "通过系统对接催件" in page


def test_who_urges_again_asks_again_and_what_is_being_asked_is_asked_once(
    boss: Client,
    group: AlertGroup,  # noqa: F811
) -> None:
    carrier = fakes.FakeCarrier()
    with fakes.carrier(carrier):
        boss.post(f"{GROUPS}{group.pk}{BUTTON}")
        boss.post(f"{GROUPS}{group.pk}{BUTTON}")
        assert (Urging.objects.count(), WaybillErrand.objects.count()) == (1, 2)
        factories.run(carriers.run)
        boss.post(f"{GROUPS}{group.pk}{BUTTON}")
        factories.run(carriers.run)

    assert (Urging.objects.count(), WaybillErrand.objects.count(), len(carrier.urged)) == (2, 2, 4)
    assert steps.broken_invariants() == []


def test_what_moved_on_is_not_asked_for(boss: Client, group: AlertGroup) -> None:  # noqa: F811
    moved, late = Shipment.objects.order_by("pk")
    scanned(moved, "in_transit", place="武汉")

    carriers.ask(group.pk)

    assert WaybillErrand.objects.get().shipment == late


def test_an_answer_that_is_lost_is_asked_for_again(group: AlertGroup) -> None:  # noqa: F811
    carrier = fakes.FakeCarrier()
    carrier.urge_answer = fakes.lose
    with fakes.carrier(carrier):
        carriers.ask(group.pk)
        steps.once(carriers.run)
        assert set(WaybillErrand.objects.values_list("outcome", flat=True)) == {""}
        Connection.objects.update(paused_until=None)
        carrier.urge_answer = lambda _one: Answer(taken=True)
        factories.run(carriers.run)

    assert set(WaybillErrand.objects.values_list("outcome", flat=True)) == {"done"}


def test_carriers_that_take_nothing_of_the_kind_are_rung(boss: Client, group: AlertGroup) -> None:  # noqa: F811
    Connection.objects.filter(kind="carrier").update(protocol="kuaidi100")

    page = page_of(group, boss)
    assert BUTTON not in page
    assert "/urge/" in page
    with pytest.raises(OmsError):
        urging.urge_over_connection(group.pk, user=get_user_model().objects.get())
    assert not Urging.objects.exists()


def test_without_the_right_nobody_is_asked(client: Client, group: AlertGroup, django_user_model: type) -> None:  # noqa: F811
    client.force_login(django_user_model.objects.create_user("li", is_staff=True))

    assert client.post(f"{GROUPS}{group.pk}{BUTTON}").status_code == 403
    assert not WaybillErrand.objects.exists()


def test_over_the_protocol_json_numbers_carrier_and_waybill_are_told(group: AlertGroup) -> None:  # noqa: F811
    first, second = Shipment.objects.order_by("pk")
    said = {"answers": [{"number": first.number, "taken": True}, {"number": second.number, "taken": False}]}
    with receiver.receiver(receiver.says(200, json.dumps(said).encode(), content_type="application/json")) as server:
        link = Connection.objects.get(pk=first.connection_id)
        link.protocol, link.base_url = "json", server.url
        link.set_secrets({SECRET: new_secret()}).save()

        carriers.ask(group.pk)
        factories.run(carriers.run)

        (message,) = server.received
    assert json.loads(message.body)["parcels"][0] == {
        "number": first.number,
        "carrier": "ZTO",
        "waybill": first.waybill_number,
    }
    assert dict(WaybillErrand.objects.values_list("reference", "outcome")) == {
        first.number: "done",
        second.number: "refused",
    }


def test_from_the_order_customer_service_urges_and_its_one_sentence_is_the_gravest_alert(
    client: Client,
    group: AlertGroup,  # noqa: F811
) -> None:
    roles.install(SHIPPED)
    user = factories.UserFactory()
    user.groups.add(Group.objects.get(name="customer_service"))
    client.force_login(user)
    grave = group.alerts.order_by("pk").first()
    assert grave is not None
    LogisticsAlert.objects.filter(pk=grave.pk).update(level=3)
    newer = LogisticsAlert.objects.get(pk=grave.pk)
    newer.pk, newer.kind, newer.level, newer.group_id = None, "sign_timeout", 2, None
    newer.save()

    page = client.get(f"/admin/orders/order/{grave.sub_order.order_id}/change/", headers={"accept-language": "en"})

    assert str(grave.get_kind_display()) in page.context["headline"].text
    assert f'href="{GROUPS}{group.pk}/change/"' in page.content.decode()
    assert client.post(f"{GROUPS}{group.pk}{BUTTON}").status_code == 302
