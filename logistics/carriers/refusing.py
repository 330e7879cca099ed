"""Why we refuse a parcel for a carrier before the carrier is asked: codes, kept in place of what a carrier says."""

from django.db import models
from django.utils.translation import gettext_lazy as _


class OwnRefusal(models.TextChoices):
    """What cannot be said to the carrier."""

    NO_COD_CARD = (
        "no_cod_card",
        _("The connection names no card to which the carrier pays what it collects from buyers"),
    )
    NO_COD_SERVICE = "no_cod_service", _("The connection does not say by which service cash on delivery is asked for")
    COD_IN_PARCELS = (
        "cod_in_parcels",
        _("What is paid on delivery of several parcels cannot be collected over this connection"),
    )
    NO_SENDER_PHONE = "no_sender_phone", _("The warehouse has no phone, and the carrier wants one of the sender")
    NO_STATION = "no_station", _("No station of own couriers serves the address")
