"""The protocol `floor`: a warehouse that is run on this site. Like the sandbox, it sends no messages."""

from django.utils.translation import gettext_lazy

from logistics.warehouses.adapters.floor import PROTOCOL
from oms.common.models import SystemKind
from oms.common.work.protocols import Known, register
from oms.common.work.sandbox_speaker import SandboxSpeaker

register(Known(PROTOCOL, frozenset({SystemKind.WAREHOUSE}), gettext_lazy("Run on this site"), SandboxSpeaker()))
