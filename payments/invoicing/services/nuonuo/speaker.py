"""What a connection to 诺诺 knows: its secrets, and how it is tested. What it calls back is not signed, so nothing of
it is believed: it is asked instead."""

from collections.abc import Sequence

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.errors import OmsError
from oms.common.models import Connection, SystemKind
from oms.common.work.facts import News
from oms.common.work.protocols import Known, Message, NotGenuine, Reply, Unreadable, register
from oms.common.work.singly import Unclear
from payments.invoicing.services.nuonuo import wire
from payments.providers.errors import Refused


class NuonuoSpeaker:
    """See `oms.common.work.protocols.Speaker`."""

    def verify(self, link: Connection, message: Message) -> None:
        """Raises NotGenuine: nobody can tell who sent it."""
        raise NotGenuine(_("This service signs none of its messages; it is asked instead."))

    def read(self, link: Connection, body: str) -> Sequence[News]:
        """Raises Unreadable."""
        raise Unreadable("This service is asked; it tells nothing.")

    def accepted(self, link: Connection, message: Message) -> Reply:
        """The word that ends repetitions."""
        return Reply('{"status":"0000","message":"同步成功"}')

    def refused(self, link: Connection, error: OmsError) -> Reply:
        """Not taken."""
        return Reply('{"status":"9999","message":"refused"}', status=401)

    def test(self, link: Connection) -> None:
        """Ask for an invoice that nobody made: that there is none proves signature and token. Raises OmsError."""
        try:
            wire.call(link, "nuonuo.OpeMplatform.queryInvoiceResult", {"orderNos": ["connection-test"]})
        except Refused as refusal:
            if refusal.code != wire.NOT_FOUND:
                raise OmsError(str(refusal)) from refusal
        except Unclear as unclear:
            raise OmsError(str(unclear)) from unclear


register(
    Known("nuonuo", frozenset({SystemKind.INVOICE}), gettext_lazy("Nuonuo"), NuonuoSpeaker(), secrets=wire.SECRETS[:2])
)
