"""What the tests of the review share."""

import pytest
from django.test import Client

from tests.admin.conftest import client_of


@pytest.fixture
def boss(db: None) -> Client:
    """Somebody who may do everything."""
    return client_of(is_superuser=True)
