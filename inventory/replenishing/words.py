"""Rows of alert lines as people type or paste them, and how columns of lists read."""

import re
from collections.abc import Sequence
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from inventory.models import LineMethod
from inventory.replenishing.demand import Service
from inventory.replenishing.policies import LEAD_DAYS, NewPolicy
from inventory.typed_rows import WrongRow, units

ROWS_HELP = gettext_lazy(
    "A line each. A fixed line: warehouse, SKU, reorder point, order up to, then pack size and minimum quantity where"
    " they matter. A computed one: warehouse, SKU, service level with a percent sign, lead time in days, then the same."
    " What a row leaves out is as in a new policy."
)


def policy_row(cells: Sequence[str]) -> NewPolicy:
    """A policy from the cells of a row, see ROWS_HELP. Raises WrongRow."""
    if not 3 <= len(cells) <= 6:
        raise WrongRow(_("Give warehouse, SKU and the line."))
    warehouse, sku, line, *rest = cells
    pack = units(rest[1]) if len(rest) > 1 else 1
    minimum = units(rest[2]) if len(rest) > 2 else 0
    if line.endswith(("%", "％")):
        lead = _decimal(rest[0]) if rest else LEAD_DAYS
        service = _decimal(line[:-1])
        return NewPolicy(
            *(warehouse, sku, LineMethod.COMPUTED),
            service_percent=service,
            lead_days=lead,
            pack_size=pack,
            minimum_quantity=minimum,
        )
    if not rest:
        raise WrongRow(_("A fixed line says where it is and up to what is ordered."))
    return NewPolicy(
        *(warehouse, sku, LineMethod.FIXED, units(line), units(rest[0])), pack_size=pack, minimum_quantity=minimum
    )


def _decimal(text: str) -> Decimal:
    """A number with at most one decimal place. Raises WrongRow."""
    if not re.fullmatch(r"[+-]?\d{1,9}(?:\.\d0*)?", text):
        raise WrongRow(_("%(text)s is no number with at most one decimal place.") % {"text": text[:40]})
    return Decimal(text)


def percent(service: Service | None) -> str:
    """The measured service in per cent; a dash where nothing was wanted."""
    share = service.share if service else None
    return "–" if share is None else f"{100 * share:.1f} %"
