"""Any address that takes signed JSON (the protocol `json`): posted to `<base address>/alerts`."""

from logistics.watching.robots import Notice
from oms.common.models import Connection
from oms.common.work import signed_json


def send(link: Connection, notice: Notice) -> None:
    """See `logistics.watching.robots.Robot`."""
    signed_json.post(link, "alerts", {"key": notice.key, "title": notice.title, "text": notice.text})
