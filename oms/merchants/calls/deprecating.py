"""What of the API is to go: the answers of such an address say so from the announcement on, in the headers of
RFC 9745 and RFC 8594."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.urls import reverse
from django.utils.http import http_date

# What is announced in the guide `changes` stays for at least so long.
LEAST = timedelta(days=183)


@dataclass(frozen=True, slots=True)
class Deprecated:
    """That an address was announced to go on a day (`since`), and until which it answers."""

    since: date
    until: date

    @property
    def is_long_enough(self) -> bool:
        """Whether callers have the time that the guide promises them."""
        return self.until - self.since >= LEAST

    def headers(self) -> Mapping[str, str]:
        """What each answer says of it, with the way to what was announced."""
        return {
            "Deprecation": f"@{_seconds(self.since)}",
            "Sunset": http_date(_seconds(self.until)),
            "Link": f'<{reverse("guide", args=["changes"])}>; rel="deprecation"; type="text/html"',
        }


def _seconds(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
