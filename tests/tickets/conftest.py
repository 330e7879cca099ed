"""People who work on tickets, and tickets to work on."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from oms.common import tickets
from oms.common.models import Ticket
from tests import factories
from tests.admin.conftest import client_of


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    """Figures kept from another test would be wrong."""
    cache.clear()


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
def li(db: None) -> Any:
    """A member of staff who works on tickets."""
    return factories.UserFactory(username="li")


@pytest.fixture
def wang(db: None) -> Any:
    """Another one."""
    return factories.UserFactory(username="wang")


@pytest.fixture
def clerk(db: None) -> Client:
    """Somebody logged in who may see orders and work on tickets, and no more."""
    return client_of("view_order", "view_ticket", "work_ticket", "open_ticket", username="clerk")


def only_ticket() -> Ticket:
    """The one ticket that there is."""
    return Ticket.objects.get()
