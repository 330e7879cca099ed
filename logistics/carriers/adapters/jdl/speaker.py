"""JD Logistics' pushes of traces: told genuine, read, and answered.

How JD signs its pushes is not confirmed. What tells them genuine is the token that only JD was given with the address.
"""

from collections.abc import Sequence

import msgspec
from django.utils.translation import gettext_lazy

from logistics.carriers import words
from logistics.carriers.adapters import Booked
from logistics.carriers.adapters.jdl import bodies, setup, traces, wire
from logistics.carriers.adapters.pushing import PUSH_TOKEN, verify_token
from logistics.carriers.adapters.setting_up import begins
from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work.facts import News
from oms.common.work.protocols import Known, Message, Reply, register


class JdlSpeaker:
    """See `oms.common.work.protocols.Speaker`."""

    def verify(self, link: Connection, message: Message) -> None:
        """Raises NotGenuine unless its address has the token of the connection."""
        verify_token(link, message)

    def read(self, link: Connection, body: str) -> Sequence[News]:
        """The scans. Raises Unreadable for what is no push of traces, naming what is wrong."""
        known = words.of("jdl")
        news = [traces.news_of(trace, known) for trace in traces.pushed(body)]
        return list({one.key: one for one in news if one is not None}.values())

    def accepted(self, link: Connection, message: Message) -> Reply:
        """That it need not be told again."""
        return _reply(0, "成功", is_done=True)

    def refused(self, link: Connection, error: OmsError) -> Reply:
        """That it was not taken, and why."""
        return _reply(1, str(error), is_done=False)

    def test(self, link: Connection) -> None:
        """Ask for a waybill that there is not, which costs nothing. Raises what went wrong."""
        mine = setup.of(link)
        try:
            wire.ask(link, mine, mine.options.query_path, bodies.asked(Booked("", "", "JD0"), mine))
        except wire.Refused as refused:
            if not begins(refused.code, mine.options.refusals):
                raise  # it does not know us


def _reply(code: int, message: str, *, is_done: bool) -> Reply:
    return Reply(msgspec.json.encode({"code": code, "msg": message, "success": is_done}).decode())


register(
    Known(
        "jdl",
        frozenset({SystemKind.CARRIER}),
        gettext_lazy("JD Logistics itself"),
        JdlSpeaker(),
        secrets=(setup.APP_KEY, setup.APP_SECRET, setup.ACCESS_TOKEN, setup.CUSTOMER_CODE, PUSH_TOKEN),
        refuses_all=True,
    )
)
