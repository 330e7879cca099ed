"""What stations and couriers tell: scans like those of any carrier, so that nothing moves by a page alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from logistics.models import ShipmentState
from oms.common.models import Topic
from oms.common.work import facts


@dataclass(frozen=True, slots=True)
class Told:
    """A scan of a parcel over the account of own couriers; `text` is the carrier's, as others send theirs."""

    connection_id: int
    waybill: str
    state: ShipmentState
    at: datetime
    text: str = ""
    location: str = ""
    # What it is told under; empty: such a scan is told once of a parcel.
    key: str = ""


def tell(news: Sequence[Told]) -> None:
    """Store the scans in the running transaction. What was told before is ignored."""
    by_link: dict[int, list[facts.News]] = {}
    for one in news:
        body = {name: value for name, value in (("text", one.text), ("location", one.location[:200])) if value}
        key = one.key or f"{one.waybill}-{one.state}"
        by_link.setdefault(one.connection_id, []).append(facts.News(key, one.state, one.waybill, one.at, body))
    for connection_id, of_one in sorted(by_link.items()):
        facts.receive(connection_id, Topic.CARRIER, of_one)
