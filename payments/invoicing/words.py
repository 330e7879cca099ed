"""The bureau's states of red letters' confirmations (红字发票信息确认单), in words."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from oms.common.codebook import Codebook

WAITING: dict[str, Promise] = {
    "01": _("needs no confirmation"),
    "02": _("entered by the seller, the buyer must confirm it within 72 hours"),
    "03": _("entered by the buyer, the seller must confirm it"),
    "04": _("confirmed by both"),
    "15": _("being entered"),
}
VOID: dict[str, Promise] = {
    "05": _("void: the buyer refused"),
    "06": _("void: the seller refused"),
    "07": _("void: not confirmed within 72 hours"),
    "08": _("void: withdrawn"),
    "09": _("void: withdrawn after it was confirmed"),
    "10": _("void: the invoice is an abnormal voucher"),
    "11": _("void: the taxpayer is blocked"),
    "12": _("void: refused by a person"),
    "13": _("void: the invoice is used for an export rebate"),
    "16": _("could not be entered"),
}
# Why an invoice failed is what the service said, or the state of a confirmation.
CONFIRMATIONS = Codebook()
CONFIRMATIONS.add({**WAITING, **VOID})
