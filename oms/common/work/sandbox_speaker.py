"""The protocol `sandbox`: a pretended system within this installation. It sends no messages over the network."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work.facts import News
from oms.common.work.protocols import Known, Message, NotGenuine, Reply, register


class SandboxSpeaker:
    """See `oms.common.work.protocols.Speaker`."""

    def verify(self, link: Connection, message: Message) -> None:
        """Raises NotGenuine: the sandbox answers from within."""
        raise NotGenuine(_("The sandbox sends no messages."))

    def read(self, link: Connection, body: str) -> Sequence[News]:
        """Nothing."""
        return []

    def accepted(self, link: Connection, message: Message) -> Reply:
        """Nothing to say."""
        return Reply("{}")

    def refused(self, link: Connection, error: OmsError) -> Reply:
        """Why."""
        return Reply('{"error": "sandbox"}', status=error.status_code)

    def test(self, link: Connection) -> None:
        """It is always there."""


register(Known("sandbox", frozenset(SystemKind), gettext_lazy("Sandbox"), SandboxSpeaker()))
