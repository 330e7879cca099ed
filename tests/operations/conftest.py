"""Staff who use the admin."""

from tests.admin.conftest import _fresh_cache, boss, reader

__all__ = ["_fresh_cache", "boss", "reader"]
