"""What warehouses and carriers tell, and what came of it, in words."""

from django.utils.translation import gettext_lazy as _

from logistics.carriers.scans import NOTED
from logistics.models import ShipmentState
from logistics.warehouses import stock_notices
from logistics.warehouses.notices import Notice
from oms.common.fact_words import OUTCOMES, kinds_of
from oms.common.models import Topic
from oms.common.work.callbacks import STOCK_REPORT

kinds_of(Topic.WAREHOUSE).add(dict(Notice.choices))
kinds_of(Topic.STOCK).add(
    {
        STOCK_REPORT: _("Stock report"),
        stock_notices.STOCK_COUNT: _("Stock count"),
        stock_notices.STOCK_CHANGED: _("Change of stock"),
        stock_notices.GOODS_RECEIVED: _("Goods received"),
        stock_notices.GOODS_SENT: _("Goods sent"),
        stock_notices.GOODS_RETURNED: _("Goods came back"),
        stock_notices.DOCUMENT_NOTED: _("Noted"),
    }
)
kinds_of(Topic.CARRIER).add({**dict(ShipmentState.choices), NOTED: _("Kept")})
OUTCOMES.add(
    {
        "stock_differs": _("differs from the books"),
        "only_noted": _("only noted: this connection's changes move no stock"),
        "is_confirmed_apart": _("confirmed by a message of its own"),
        "sent_other": _("other units than were set aside"),
        "asked_to_stop": _("asked to stop"),
        "packed_after_cancelled": _("packed although it was cancelled"),
        "packed_after_refused": _("packed although it was refused"),
        "left_after_cancelled": _("left although it was cancelled"),
        "left_after_refused": _("left although it was refused"),
        "goes_on_after_cancelled": _("cannot be stopped although it was cancelled"),
        "goes_on_after_refused": _("cannot be stopped although it was refused"),
        "refused_after_packed": _("refused although it was packed"),
        "stopped_after_left": _("stopped although it had left"),
    }
)
