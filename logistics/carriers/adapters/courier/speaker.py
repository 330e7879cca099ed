"""The protocol `courier`: own couriers, whose stations are run on this site. Like the sandbox, it sends no messages."""

from django.utils.translation import gettext_lazy

from oms.common.models import SystemKind
from oms.common.work.protocols import Known, register
from oms.common.work.sandbox_speaker import SandboxSpeaker

PROTOCOL = "courier"
register(Known(PROTOCOL, frozenset({SystemKind.CARRIER}), gettext_lazy("Own couriers"), SandboxSpeaker()))
