"""Form fields that several pages share."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextareaWidget

from oms.common.networks import validate_network


class NetworksField(forms.CharField):
    """Addresses and networks, one a line."""

    widget = UnfoldAdminTextareaWidget(attrs={"rows": 3})

    def prepare_value(self, value: Any) -> Any:
        """A list as lines."""
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        """The lines as a list. Raises ValidationError for one that is no address or network."""
        networks = super().clean(value).replace(",", " ").split()
        for network in networks:
            validate_network(network)
        return networks
