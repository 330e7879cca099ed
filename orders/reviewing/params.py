"""The parameters of conditions: what each takes, how it is read from what was typed or stored, and what it may name."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from django.db.models import Value
from django.db.models.functions import Concat
from django.utils.translation import gettext as _

from inventory.models import Region, Sku
from oms.merchants.models import Channel, Merchant
from orders.models import ReviewList

# `codes` name rows of a table, `words` are typed texts; both are lists, typed with commas. `list` is a review list.
ParamKind = Literal["amount", "number", "words", "codes", "choices", "list"]
MOST_WORDS, LONGEST_WORD, MOST_AMOUNT = 200, 64, Decimal("9999999999.99")


class Wrong(Exception):
    """What is wrong with a parameter, in words."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter. `of` says what the codes name, or which kind of list; `unit` is shown behind a number."""

    name: str
    kind: ParamKind
    label: Any
    default: Any = None
    least: int = 0
    most: int = 1_000_000
    unit: Any = ""
    of: str = ""
    choices: Sequence[tuple[Any, Any]] = ()
    is_optional: bool = False


class Catalogue:
    """What a rule may name, asked of the database; each question once."""

    def __init__(self) -> None:
        self._missing: dict[tuple[str, tuple[str, ...]], list[str]] = {}

    def missing(self, of: str, codes: Sequence[str]) -> list[str]:
        """Those of the codes that nothing has."""
        key = (of, tuple(codes))
        if key not in self._missing:
            there = set(_there(of, codes))
            self._missing[key] = [code for code in codes if code not in there]
        return self._missing[key]


def _there(of: str, codes: Collection[str]) -> Collection[str]:
    match of:
        case "sku":
            return set(Sku.objects.filter(code__in=codes).values_list("code", flat=True))
        case "merchant":
            return set(Merchant.objects.filter(code__in=codes).values_list("code", flat=True))
        case "channel":
            full = Concat("merchant__code", Value("/"), "code")
            return set(Channel.objects.annotate(full=full).filter(full__in=codes).values_list("full", flat=True))
        case "province":
            return set(Region.objects.filter(province__in=codes).values_list("province", flat=True).distinct())
    return set(ReviewList.objects.filter(code__in=codes, kind=of).values_list("code", flat=True))


def read(param: Param, given: Any, known: Catalogue | None = None) -> Any:
    """The parameter as it is used; None or an empty list where it is optional and not given. Raises Wrong."""
    if given in (None, "", []):
        if param.is_optional:
            return [] if param.kind in ("words", "codes", "choices") else None
        raise Wrong(_("This field is required."))
    match param.kind:
        case "amount":
            return _amount(given)
        case "number":
            return _number(param, given)
        case "choices":
            return _choices(param, given)
        case "list":
            return _of_list(param, given, known)
    values = _texts(given)
    if param.kind == "codes" and known is not None and (gone := known.missing(param.of, values)):
        raise Wrong(_("there is no %(codes)s (any more): correct it or take it out.") % {"codes": ", ".join(gone)})
    return values


def _amount(given: Any) -> str:
    try:
        amount = Decimal(str(given).replace(",", "").strip())
    except InvalidOperation:
        raise Wrong(_("Give an amount in yuan, such as 5000.00.")) from None
    if not amount.is_finite() or not 0 <= amount <= MOST_AMOUNT or amount != round(amount, 2):
        raise Wrong(_("Give an amount in yuan, such as 5000.00."))
    return f"{amount:.2f}"


def _number(param: Param, given: Any) -> int:
    text = str(given).strip()
    if isinstance(given, bool) or not (text.isascii() and text.isdigit() and len(text) < 10):
        text = "-1"
    if not param.least <= int(text) <= param.most:
        values = {"least": param.least, "most": param.most}
        raise Wrong(_("Give a whole number from %(least)d to %(most)d.") % values)
    return int(text)


def _choices(param: Param, given: Any) -> list[Any]:
    by_text = {str(value): value for value, _label in param.choices}
    texts = [str(one) for one in (given if isinstance(given, list) else [given])]
    strange = [text for text in texts if text not in by_text]
    if strange:
        raise Wrong(_("“%(value)s” is none of the choices.") % {"value": strange[0]})
    return [by_text[text] for text in texts]


def _of_list(param: Param, given: Any, known: Catalogue | None) -> str:
    code = str(given).strip()
    if known is not None and known.missing(param.of, [code]):
        raise Wrong(_("there is no such list “%(code)s”: choose another one or make it.") % {"code": code})
    return code


def _texts(given: Any) -> list[str]:
    if isinstance(given, str):
        given = given.replace("，", ",").replace("、", ",").replace("\n", ",").split(",")
    if not isinstance(given, list):
        raise Wrong(_("Give words or codes, separated by commas."))
    texts = list(dict.fromkeys(filter(None, (str(one).strip() for one in given))))
    if not texts:
        raise Wrong(_("This field is required."))
    if len(texts) > MOST_WORDS:
        raise Wrong(_("At most %(most)d; use a list for more.") % {"most": MOST_WORDS})
    if any(len(text) > LONGEST_WORD * 2 for text in texts):
        raise Wrong(_("A word has at most %(most)d characters.") % {"most": LONGEST_WORD * 2})
    return texts


def shown(param: Param, value: Any) -> str:
    """The parameter in words."""
    if param.kind == "choices":
        labels = dict(param.choices)
        return _(", ").join(str(labels.get(one, one)) for one in value)
    if isinstance(value, list):
        return _(", ").join(value)
    if param.kind == "list":
        from orders.actors import word

        return word(f"list:{value}").removeprefix("list:")
    return f"{value} {param.unit}".strip() if param.unit else str(value)


def raw(values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as they are stored: without those that were left empty."""
    return {name: value for name, value in values.items() if value not in (None, "", [])}
