"""Staff who use the admin, in English."""

import re
from collections.abc import Callable

import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests.factories import UserFactory


def client_of(*rights: str, **user: object) -> Client:
    """A client in which a member of staff with these rights (codenames) is logged in."""
    person = UserFactory(**user)
    person.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client = Client(headers={"accept-language": "en"})
    client.force_login(person)
    return client


@pytest.fixture
def boss(db: None) -> Client:
    """Somebody who may do everything."""
    return client_of(is_superuser=True)


@pytest.fixture
def reader(db: None) -> Client:
    """Somebody who may only look at orders."""
    return client_of("view_order")


@pytest.fixture
def statements() -> Callable[[Client, str], int]:
    """How many statements a page takes, once what is kept for some seconds is there."""

    def once(client: Client, path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            response = client.get(path)
        assert response.status_code == 200
        return len(captured)

    def count(client: Client, path: str) -> int:
        client.get(path)
        # Twice: what is kept may have ended its seconds between two looks, on a busy machine.
        return min(once(client, path), once(client, path))

    return count


def stamp_of(page: str) -> dict[str, str]:
    """What a page that showed first what it would do wants back with the confirmation."""
    return dict(re.findall(r'<input type="hidden" name="(stamp|last_event)" value="([^"]*)"', page))
