"""Who carries parcels."""

from django.utils.translation import gettext as _

from logistics.models import Carrier


def install_default_carriers() -> None:
    """Give a new installation carriers to start from; does nothing where there are carriers already."""
    if Carrier.objects.exists():
        return
    Carrier.objects.bulk_create(
        [
            Carrier(code="SF", name=_("SF Express"), priority=1),
            Carrier(code="JD", name=_("JD Logistics"), priority=2),
            Carrier(code="ZTO", name=_("ZTO Express"), priority=3),
        ]
    )
