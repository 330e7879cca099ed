"""Staff who use the admin, in English."""

from tests.admin.conftest import boss  # noqa: F401 - a fixture
