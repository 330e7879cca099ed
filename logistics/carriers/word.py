"""A code of a carrier's protocol, and what it means."""

from dataclasses import dataclass

from django.utils.translation import get_language

from logistics.models import ShipmentState


@dataclass(frozen=True, slots=True)
class Word:
    """A code of a protocol, as in `models.ScanWord`."""

    code: str
    told: str
    state: str
    shown_zh: str
    shown_en: str
    is_kept: bool = True
    for_buyer: bool = True
    stop: str = ""

    @property
    def shown(self) -> str:
        """What people read for it, in the language of the running request."""
        of_ours = self.shown_zh if (get_language() or "").startswith("zh") else self.shown_en
        return of_ours or str(ShipmentState(self.state).label if self.state else self.told)
