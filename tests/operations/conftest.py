"""Staff who use the admin."""

from typing import Any

import pytest

from tests.admin.conftest import _fresh_cache, boss, reader

__all__ = ["_fresh_cache", "boss", "reader"]


@pytest.fixture(autouse=True)
def _own_media(settings: Any, tmp_path: Any) -> None:
    settings.MEDIA_ROOT = tmp_path
