"""What other systems tell us, as adapters hand it on to be stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class News:
    """A fact as an adapter understood it: `key` is the other side's own, `subject` the number by which it knows what
    it is about. `body` holds no personal data; `raw` is the message, which is kept sealed."""

    key: str
    kind: str
    subject: str
    occurred_at: datetime
    body: Mapping[str, Any] = field(default_factory=dict)
    raw: str | None = None
