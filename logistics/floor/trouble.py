"""What people must look at on the floor: kinds of tickets, and refusals."""

from datetime import timedelta

from django.utils.translation import gettext_lazy as _

from oms.common import tickets
from oms.common.errors import OmsError
from oms.common.models import Team

SHORT = tickets.register_kind(
    tickets.TicketKind(
        "goods_missing",
        _("Goods missing on the floor"),
        "warehouse_order",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=4),
        reasons={"": _("%(number)s wants %(units)s more units that were not found and are frozen: %(skus)s.")},
        remedies=_(
            "Count the stock of these SKUs in the warehouse: then write the frozen units off, or free them. What is "
            "sent too little is sourced elsewhere."
        ),
        can_retry=False,
    )
)
WEIGHT = tickets.register_kind(
    tickets.TicketKind(
        "weight_differs",
        _("Weight differs"),
        "warehouse_order",
        team=Team.LOGISTICS,
        due_within=timedelta(hours=24),
        reasons={"": _("%(number)s weighs %(weight)s g, where its goods should weigh %(expected)s g.")},
        remedies=_("Open the parcel and look; or put the weights of its SKUs right."),
        can_retry=False,
    )
)


class NotOnTheFloor(OmsError):
    """Nothing that can be checked or handed over has this number."""

    code = "not_on_the_floor"
    status_code = 404


class NotNow(OmsError):
    """It must not go on, with the reason."""

    code = "not_now"
    status_code = 409


class WrongUnit(OmsError):
    """The scanned unit does not belong in this parcel."""

    code = "wrong_unit"
    status_code = 409


class ExtraUnit(OmsError):
    """There are more units than this parcel wants."""

    code = "extra_unit"
    status_code = 409


class UnitsMissing(OmsError):
    """Not everything was scanned."""

    code = "units_missing"
    status_code = 409


class WeightDiffers(OmsError):
    """The parcel weighs something else than its goods."""

    code = "weight_differs"
    status_code = 409


class SerialsMissing(OmsError):
    """Units were scanned whose serial numbers were not."""

    code = "serials_missing"
    status_code = 409


class WrongSerial(OmsError):
    """The serial number is none, or another unit's."""

    code = "wrong_serial"
    status_code = 409
