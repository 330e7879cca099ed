"""SF's pushes of routes (路由推送): told genuine, read, and answered in its words.

SF does not sign them. What tells them genuine is the token that only SF was given with the push address.
"""

from collections.abc import Sequence

import msgspec
from django.utils.translation import gettext_lazy

from logistics.carriers import words
from logistics.carriers.adapters.pushing import PUSH_TOKEN, verify_token
from logistics.carriers.adapters.sf import SEARCH, routes, setup, wire
from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work.facts import News
from oms.common.work.protocols import Known, Message, Reply, register


class SfSpeaker:
    """See `oms.common.work.protocols.Speaker`."""

    def verify(self, link: Connection, message: Message) -> None:
        """Raises NotGenuine unless its address has the token of the connection."""
        verify_token(link, message)

    def read(self, link: Connection, body: str) -> Sequence[News]:
        """The scans. Raises Unreadable for what is no push of routes, naming what is wrong."""
        known = words.of("sf")
        news = [routes.news_of(route, known) for route in routes.pushed(body)]
        return list({one.key: one for one in news if one is not None}.values())

    def accepted(self, link: Connection, message: Message) -> Reply:
        """That it need not be told again."""
        return _reply("0000", "成功")

    def refused(self, link: Connection, error: OmsError) -> Reply:
        """That it was not taken, and why."""
        return _reply("1000", str(error))

    def test(self, link: Connection) -> None:
        """Search for an order that there is not, which costs nothing. Raises what went wrong."""
        mine = setup.of(link)
        try:
            wire.ask(link, mine, SEARCH, {"orderId": "oms-test", "searchType": "1", "language": "zh-CN"})
        except wire.Refused:
            return  # it knows us, and no such order


def _reply(code: str, message: str) -> Reply:
    return Reply(msgspec.json.encode({"return_code": code, "return_msg": message}).decode())


register(
    Known(
        "sf",
        frozenset({SystemKind.CARRIER}),
        gettext_lazy("SF Express itself"),
        SfSpeaker(),
        secrets=(setup.PARTNER_ID, setup.CHECK_WORD, setup.MONTHLY_CARD, PUSH_TOKEN),
        refuses_all=True,
    )
)
