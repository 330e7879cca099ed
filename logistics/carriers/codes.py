"""What protocols call our carriers: the rows that staff keep with a carrier; elsewhere our own code is theirs too."""

from collections.abc import Mapping

from logistics.models import CarrierCode


def theirs(protocol: str) -> Mapping[str, str]:
    """The protocol's codes by ours, where they differ."""
    return dict(CarrierCode.objects.filter(protocol=protocol).values_list("carrier__code", "code"))


def ours(protocol: str) -> Mapping[str, str]:
    """Our codes by the protocol's, where they differ."""
    return {code: carrier for carrier, code in theirs(protocol).items()}
