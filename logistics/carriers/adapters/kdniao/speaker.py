"""kdniao's pushes (101 and 102 of scans, 107 of the cash of parcels): told genuine, read, and answered in its words."""

from collections.abc import Sequence

import msgspec
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.carriers import words
from logistics.carriers.adapters import setting_up
from logistics.carriers.adapters.kdniao import envelope, setup, traces, wire
from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work.facts import News
from oms.common.work.protocols import Known, Message, NotGenuine, Reply, Unreadable, register

PUSHES = ("101", "102")
OF_MONEY = "107"


class KdniaoSpeaker:
    """See `oms.common.work.protocols.Speaker`."""

    def verify(self, link: Connection, message: Message) -> None:
        """Raises NotGenuine unless it is signed with our key, and ours."""
        try:
            mine = setup.of(link)
        except setup.NotSetUp as error:
            raise NotGenuine(str(error)) from error
        given = envelope.opened(message.body)
        if not envelope.is_signed(given, mine.app_key):
            raise NotGenuine(_("The signature does not fit."))
        if given.business_id not in ("", mine.business_id):
            raise NotGenuine(_("The message is for another account."))

    def read(self, link: Connection, body: str) -> Sequence[News]:
        """The scans. Raises Unreadable for what is no push of scans, naming what is wrong."""
        given = envelope.opened(body)
        tables = words.tables()
        ours, known = tables.ours("kdniao"), tables.of("kdniao")
        if given.request_type == OF_MONEY:
            news = list(traces.money_pushed(given.data, ours, known))
        elif given.request_type in PUSHES:
            news = [one for parcel in traces.pushed(given.data) for one in traces.news_of(parcel, ours, known)]
        else:
            raise Unreadable(f"A message of the type {given.request_type[:20] or '–'} is not known.")
        return list({one.key: one for one in news}.values())

    def accepted(self, link: Connection, message: Message) -> Reply:
        """That it need not be told again."""
        return _reply(link, is_taken=True)

    def refused(self, link: Connection, error: OmsError) -> Reply:
        """That it was not taken, and why."""
        return _reply(link, is_taken=False, reason=str(error))

    def test(self, link: Connection) -> None:
        """Ask whose a waybill is, which costs nothing. Raises what went wrong."""
        said = wire.ask(link, setup.of(link), "2002", {"LogisticCode": "1234567890123"})
        if not wire.succeeded(said):
            raise wire.unclear(said)


def _reply(link: Connection, *, is_taken: bool, reason: str = "") -> Reply:
    body = {
        "EBusinessID": str(link.secrets().get(setup.BUSINESS_ID, "")),
        "UpdateTime": setting_up.written(timezone.now()),
        "Success": is_taken,
        "Reason": reason,
    }
    return Reply(msgspec.json.encode(body).decode())


register(
    Known(
        "kdniao",
        frozenset({SystemKind.CARRIER}),
        gettext_lazy("Kdniao (carrier platform)"),
        KdniaoSpeaker(),
        secrets=(setup.BUSINESS_ID, setup.APP_KEY, setup.ACCOUNTS),
        refuses_all=True,
    )
)
