"""People who work on tickets, and tickets to work on."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from oms.common import tickets
from oms.common.models import Ticket
from oms.common.tickets import TicketKind, Trouble, open_tickets
from orders.models import Order
from tests import factories
from tests.admin.conftest import client_of
from tests.factories import Shop


@pytest.fixture(autouse=True)
def _in_english(in_english: None) -> None:
    """Refusals and words are compared in English."""


@pytest.fixture
def broken() -> Iterator[tickets.TicketKind]:
    """A kind of ticket about orders, as an app registers its own."""
    kind = tickets.register_kind(
        tickets.TicketKind(
            "broken",
            "Broken",
            "order",
            team="finance",
            reasons={"": "It is broken.", "late": "Late by %(days)d days at %(place)s."},
            remedies="Mend it.",
        )
    )
    yield kind
    del tickets._kinds["broken"]


@pytest.fixture
def orders(shop: Shop) -> list[Order]:
    """Some orders."""
    return [shop.place_order() for _ in range(6)]


@pytest.fixture
def ticket(broken: TicketKind, orders: list[Order]) -> Ticket:
    """An open ticket about the first order."""
    open_tickets(broken, [Trouble(orders[0].pk, "late", {"days": 3, "place": "WH-1"}, about_id=orders[0].pk)])
    return Ticket.objects.get()


@pytest.fixture
def li(db: None) -> Any:
    """A member of staff who works on tickets."""
    return factories.UserFactory(username="li")


@pytest.fixture
def wang(db: None) -> Any:
    """Another one."""
    return factories.UserFactory(username="wang")


@pytest.fixture
def boss(db: None) -> Client:
    """Somebody logged in who may do everything."""
    return client_of(is_superuser=True)


@pytest.fixture
def clerk(db: None) -> Client:
    """Somebody logged in who may see orders and work on tickets, and no more."""
    return client_of("view_order", "view_ticket", "work_ticket", "open_ticket", username="clerk")


@pytest.fixture
def statements() -> Callable[[Client, str], int]:
    """How many statements a page takes, once what is kept for some seconds is there."""

    def count(client: Client, path: str) -> int:
        client.get(path)
        with CaptureQueriesContext(connection) as captured:
            assert client.get(path).status_code == 200
        return len(captured)

    return count
