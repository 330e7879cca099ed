"""Staff who use the admin."""

from typing import Any

import pytest
from django.test import Client

from oms import figures, probes
from tests.admin.conftest import boss, client_of, reader

__all__ = ["boss", "reader"]


@pytest.fixture(autouse=True)
def _own_media(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def clerk(db: None) -> Client:
    """Somebody logged in who may import orders."""
    return client_of("import_orders", "view_order")


@pytest.fixture
def figures_are_read_anew() -> None:
    """Nothing that another test read is taken for today's."""
    figures.forget()
    probes.DATABASE.forget()
    probes.BROKER.forget()
    probes._migrated_until = 0.0
