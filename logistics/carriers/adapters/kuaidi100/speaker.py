"""kuaidi100's pushes: told genuine, read, and answered in its words."""

from collections.abc import Sequence

import msgspec
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.carriers import words
from logistics.carriers.adapters.kuaidi100 import CARRIER, PROTOCOL, setup, signing, traces
from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work.facts import News
from oms.common.work.protocols import Known, Message, NotGenuine, Reply, register


class Kuaidi100Speaker:
    """See `oms.common.work.protocols.Speaker`."""

    def verify(self, link: Connection, message: Message) -> None:
        """Raises NotGenuine unless it is signed with the salt that our subscriptions name."""
        try:
            salt = setup.of(link).salt
        except setup.NotSetUp as error:
            raise NotGenuine(str(error)) from error
        if not signing.is_signed(signing.opened(message.body), salt):
            raise NotGenuine(_("The signature does not fit."))

    def read(self, link: Connection, body: str) -> Sequence[News]:
        """The scans. Raises Unreadable, naming what is wrong."""
        parcel = traces.pushed(signing.opened(body).param)
        if parcel is None:
            return []
        tables = words.tables()
        news = traces.news_of(parcel, tables.ours(PROTOCOL), tables.of(PROTOCOL))
        return list({one.key: one for one in news}.values())

    def accepted(self, link: Connection, message: Message) -> Reply:
        """That it need not be told again."""
        return _reply("200", "成功", is_taken=True)

    def refused(self, link: Connection, error: OmsError) -> Reply:
        """That it was not taken, and why."""
        return _reply("500", str(error), is_taken=False)

    def test(self, link: Connection) -> None:
        """Ask whose a waybill is, which costs nothing. Raises what went wrong."""
        CARRIER.recognise(link, "1234567890123")


def _reply(code: str, message: str, *, is_taken: bool) -> Reply:
    return Reply(msgspec.json.encode({"result": is_taken, "returnCode": code, "message": message}).decode())


register(
    Known(
        PROTOCOL,
        frozenset({SystemKind.CARRIER}),
        gettext_lazy("Kuaidi100 (scans of all carriers)"),
        Kuaidi100Speaker(),
        secrets=(setup.CUSTOMER, setup.KEY, setup.SALT),
        refuses_all=True,
    )
)
