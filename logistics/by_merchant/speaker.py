"""The protocol `merchant`: a warehouse that its merchant runs. Like the sandbox, it sends no messages."""

from django.utils.translation import gettext_lazy

from oms.common.models import SystemKind
from oms.common.work.protocols import Known, register
from oms.common.work.sandbox_speaker import SandboxSpeaker
from orders.actors import name_actors

PROTOCOL = "merchant"
# The code of the connection that all such warehouses share: nothing is sent over it.
CONNECTION = "by-merchant"

register(Known(PROTOCOL, frozenset({SystemKind.WAREHOUSE}), gettext_lazy("Run by its merchant"), SandboxSpeaker()))
name_actors({CONNECTION: gettext_lazy("Warehouses run by their merchants")})
