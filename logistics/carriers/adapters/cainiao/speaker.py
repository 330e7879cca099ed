"""Cainiao's waybills have no callbacks: whatever comes in its name is not genuine."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from logistics.carriers.adapters.cainiao import COUNT, setup, wire
from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work.facts import News
from oms.common.work.protocols import Known, Message, NotGenuine, Reply, Unreadable, register


class CainiaoSpeaker:
    """See `oms.common.work.protocols.Speaker`."""

    def verify(self, link: Connection, message: Message) -> None:
        """Raises NotGenuine."""
        raise NotGenuine(_("This connection gets no messages."))

    def read(self, link: Connection, body: str) -> Sequence[News]:
        """Raises Unreadable."""
        raise Unreadable("Cainiao's waybills have no messages.")

    def accepted(self, link: Connection, message: Message) -> Reply:
        """Never said."""
        return Reply('{"success": "true"}')

    def refused(self, link: Connection, error: OmsError) -> Reply:
        """That it was not taken."""
        return Reply('{"success": "false"}', status=error.status_code)

    def test(self, link: Connection) -> None:
        """Ask which carriers are subscribed to, which costs nothing. Raises what went wrong."""
        wire.ask(link, setup.of(link), COUNT, {"cpCode": None})


register(
    Known(
        "cainiao",
        frozenset({SystemKind.CARRIER}),
        gettext_lazy("Cainiao waybills"),
        CainiaoSpeaker(),
        secrets=(setup.TOKEN, setup.APP_SECRET),
        refuses_all=True,
    )
)
