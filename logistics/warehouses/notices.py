"""What warehouses tell us, whatever their protocol.

A message of a warehouse is a fact with the topic `warehouse`. Its `subject` is the number of a warehouse order, its
`kind` one of `Notice`, its body a `Report`: what was done, and from the packing on in which parcels. Everything in a
body may be left out.

    {"text": "…", "carrier": "SF", "waybill": "SF100…", "weight_g": 520, "lines": [{"line": "4711", "quantity": 2}]}
    {"parcels": [{"carrier": "SF", "waybill": "SF100…", "lines": [{"line": "4711", "quantity": 1}]}, …]}

What was answered when it was asked tells of all that left so far: `"is_answer": true`.

`carrier` is a carrier's code here; the carrier and waybill are those that are really on the parcel. `line` is the
reference that the line had in our request; a warehouse that knows none names the `sku` by its code. A report without
`lines` is about all of the order's units. Where units have serial numbers, a line names them: `"serials": ["SN1", …]`.
Units that are missing are told by SKU:

    {"lacks": [{"sku": "P1", "quantity": 1, "is_physical": true}]}
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from django.db import models
from django.utils.translation import gettext_lazy as _

from inventory.models.serials import MOST_OF_A_SERIAL


class Notice(models.TextChoices):
    """What a warehouse says of a warehouse order."""

    ACCEPTED = "accepted", _("Accepted")
    REFUSED = "refused", _("Refused")
    PICKING = "picking", _("Picking")
    PACKED = "packed", _("Packed")
    # Some left, more will follow. The lines of each such notice are units that left now, beside those before.
    PARTLY_SHIPPED = "partly_shipped", _("Partly shipped")
    # All left that ever will: lines of fewer units than were asked for say that the others stay.
    SHIPPED = "shipped", _("Shipped")
    # It was asked for the units that are missing, and did not say what became of them: the rest counts as staying.
    REST_STAYS = "rest_stays", _("Nothing more leaves")
    # It will not leave: by our request, or because the warehouse dropped it.
    STOPPED = "stopped", _("Stopped")
    NOT_STOPPED = "not_stopped", _("Could not be stopped")
    # It does not find units; the order stays open there until it is stopped or goods come.
    LACKING = "lacking", _("Goods are missing")
    # Something that a person has to look at, in the warehouse's own words.
    TROUBLE = "trouble", _("Trouble")
    # A word that changes nothing here.
    NOTED = "noted", _("Noted")


_Text = Annotated[str, msgspec.Meta(max_length=2000)]
_Code = Annotated[str, msgspec.Meta(max_length=20)]
_Waybill = Annotated[str, msgspec.Meta(max_length=40)]
_Units = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
MOST_SERIALS = 1000
_Serial = Annotated[str, msgspec.Meta(max_length=MOST_OF_A_SERIAL)]
_Weight = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class ReportedLine(msgspec.Struct, frozen=True):
    """Units of a line, by the reference that we gave it, or by its SKU where that names none of the lines."""

    line: str = ""
    quantity: _Units = 0
    sku: str = ""
    serials: Annotated[Sequence[_Serial], msgspec.Meta(max_length=MOST_SERIALS)] = ()


class Lack(msgspec.Struct, frozen=True):
    """Units of a SKU (by code) that lack: really (`is_physical`), or only in the warehouse's books."""

    sku: str
    quantity: _Units
    is_physical: bool = False


class ReportedParcel(msgspec.Struct, frozen=True):
    """A parcel, and what is in it; without lines, all that is in no other."""

    carrier: _Code = ""
    waybill: _Waybill = ""
    weight_g: _Weight = 0
    lines: Sequence[ReportedLine] = ()


class Report(msgspec.Struct, frozen=True):
    """The body of a warehouse's notice."""

    text: _Text = ""
    carrier: _Code = ""
    waybill: _Waybill = ""
    weight_g: _Weight = 0
    lines: Sequence[ReportedLine] = ()
    parcels: Sequence[ReportedParcel] = ()
    lacks: Sequence[Lack] = ()
    is_answer: bool = False

    @property
    def all_parcels(self) -> Sequence[ReportedParcel]:
        """The parcels it tells of; one where it names none but says something of what is packed."""
        if self.parcels:
            return self.parcels
        if self.waybill or self.lines:
            return (ReportedParcel(self.carrier, self.waybill, self.weight_g, self.lines),)
        return ()


NOTHING_SAID = Report()


def read(body: Mapping[str, Any]) -> Report:
    """The body of a notice. Raises msgspec.ValidationError naming the field that is wrong."""
    return msgspec.convert(body, Report) if body else NOTHING_SAID
