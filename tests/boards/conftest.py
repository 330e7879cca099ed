"""Staff, as in the tests of the admin."""

from tests.admin.conftest import boss, reader, statements  # noqa: F401 - fixtures
