"""What nobody should ask for, but somebody may: unknown filters, and tickets about what is gone."""

import pytest
from django.test import Client

from oms.common.models import Ticket, TicketState
from oms.common.tickets import Trouble, kinds, open_tickets
from payments.troubles import REFUND_FAILED
from tests.factories import Shop

LIST = "/admin/common/ticket/"
GONE = 987_654_321


@pytest.mark.parametrize("value", ["%00", "moon_landing", "'", "a" * 300])
@pytest.mark.parametrize("parameter", ["kind", "team", "owner", "which"])
def test_an_unknown_value_of_a_filter_filters_nothing(shop: Shop, boss: Client, parameter: str, value: str) -> None:
    open_tickets(REFUND_FAILED, [Trouble(1)])

    answer = boss.get(f"{LIST}?{parameter}={value}")

    assert answer.status_code == 200
    assert len(answer.context["cl"].result_list) == 1


@pytest.mark.parametrize("kind", ["refund_failed", "stuck_order", "stuck_shipment", "warehouse_contradicts"])
def test_a_ticket_about_what_is_gone_opens_and_an_action_on_it_says_so(boss: Client, kind: str) -> None:
    open_tickets(kinds()[kind], [Trouble(GONE, about_id=GONE)])
    ticket = Ticket.objects.get()

    page = boss.get(f"{LIST}{ticket.pk}/change/")
    tried = boss.post(f"{LIST}{ticket.pk}/retry/", {"version": ticket.version})

    assert page.status_code == 200
    assert f"#{GONE}" in page.content.decode()
    assert f"{ticket.pk}/retry/" not in page.content.decode()
    assert tried.status_code == 404
    assert "What this ticket is about does not exist any more." in tried.content.decode()
    assert Ticket.objects.get().state == TicketState.OPEN
    closed = boss.post(f"{LIST}{ticket.pk}/close/", {"result": "not_needed", "version": ticket.version})
    assert closed.status_code == 302
    assert Ticket.objects.get().state == TicketState.CLOSED
