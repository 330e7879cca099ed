"""Stock whose units are codes for sale (`Sku.sells_codes`): it changes by importing, delivering and withdrawing codes,
and by nothing else. The database holds the two together; what is here says it in words before."""

from collections.abc import Iterable

from django.utils.translation import gettext as _

from inventory.models import Sku, Stock
from oms.common.errors import FieldError, OmsError


class CountedByCodes(OmsError):
    """Its units are codes: they come in as codes, and go with them."""

    code = "counted_by_codes"


def refusal(sku: Sku) -> CountedByCodes:
    """The refusal, in words."""
    text = _("The units of %(sku)s are its codes for sale. Import codes, or withdraw some.")
    return CountedByCodes(text % {"sku": sku.code}, attr="sku")


def require_plain(stock_ids: Iterable[int]) -> None:
    """Raises CountedByCodes where the units of one of the stock rows are codes. One statement."""
    found = Stock.objects.filter(pk__in=stock_ids, keeps_codes=True).select_related("sku").first()
    if found is not None:
        raise refusal(found.sku)


def wrong_line(row: int, sku: Sku) -> list[FieldError]:
    """That units of the SKU of a row come in as codes only, if so."""
    if not sku.sells_codes:
        return []
    return [FieldError(f"lines.{row}.sku", CountedByCodes.code, str(refusal(sku)))]
