"""What a change set may do: typed actions, read out of JSON and checked against the order.

As JSON each is an object whose `do` says what it is:

    {"do": "add", "sku": CODE, "merchant": CODE, "quantity": 2, "unit_price": "19.90"}   without a price: the list price
    {"do": "gift", "sku": CODE, "merchant": CODE, "quantity": 1}
    {"do": "quantity", "line": 1, "quantity": 3}             how many units of the line there are to be; 0 removes it
    {"do": "adjust", "amount": "-10.00", "line": 1, "bearer": "merchant"}                without a line: of the order
    {"do": "freight", "amount": "5.00"}                      by how much the freight changes
    {"do": "recipient", "name": …, "phone": …, "region_code": …, "address": …}
    {"do": "appointment", "delivery_from": TIME, "delivery_until": TIME}                 null: no appointment any more
    {"do": "split", "sub_order": NUMBER, "units": [{"line": 1, "quantity": 1}]}          these go by themselves
    {"do": "merge", "sub_order": NUMBER, "together_with": [NUMBER]}                      with sub-orders of other orders
    {"do": "invoice", "invoice": {"title_type": "company", "title": …}}                  as when an order comes in
    {"do": "exchange", "sub_order": NUMBER, "units": […], "return_reason": CODE,         units that the buyer has,
        "goods": [{"sku": CODE, "quantity": 1}]}                                         for these; none: the same again
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _

from inventory import selling
from inventory.models import Sku
from oms.common.errors import FieldError, OmsError, WrongFields
from oms.common.money import to_fen
from orders.changing.readdressing import Recipient
from orders.changing.sets import beyond
from orders.changing.sets.beyond import Wish
from orders.intake.bodies import MAX_LINES
from orders.models import Order, OrderLine, SubOrder, SubOrderLine
from orders.models.amounts import Bearer

MOST_ACTIONS = 500
MOST_UNITS = 99_999
_LARGEST = Decimal("9999999.99")


@dataclass(frozen=True, slots=True)
class Add:
    """Units of a SKU in a line of their own, at a price in fen; a gift costs nothing. `price_is_typed`: it is neither
    the list price nor what the order's own line costs."""

    sku: Sku
    units: int
    price: int
    name: str
    is_gift: bool = False
    price_is_typed: bool = False


@dataclass(frozen=True, slots=True)
class Remove:
    """Units of the order's line at a position that are no longer wanted."""

    position: int
    units: int


@dataclass(frozen=True, slots=True)
class Adjust:
    """By how much (fen, signed) a line, or with no position the order, is to cost more or less, and who bears it."""

    amount: int
    bearer: Bearer
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Freight:
    """By how much (fen, signed) the freight changes."""

    amount: int


@dataclass(frozen=True, slots=True)
class Appointment:
    """When it is to be delivered; None: at any time."""

    begins: datetime | None
    ends: datetime | None


@dataclass(frozen=True, slots=True)
class Split:
    """Units (by sub-order line) of a sub-order (id) that go by themselves."""

    sub_order_id: int
    units: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Merge:
    """Sub-orders (ids), of which one is the order's, that go in one parcel."""

    sub_order_ids: tuple[int, ...]


# What apps above carry out; also of an order that is completed.
BEYOND = ("invoice", "exchange")
NAMES = ("add", "gift", "quantity", "adjust", "freight", "recipient", "appointment", "split", "merge", *BEYOND)
Action = Add | Remove | Adjust | Freight | Recipient | Appointment | Split | Merge | Wish


def others_of(order: Order, told: Sequence[Mapping[str, Any]]) -> QuerySet[SubOrder]:
    """The sub-orders of other orders of the shop's merchant that the actions name."""
    named = [one.get("together_with") for one in told if one.get("do") == "merge"]
    numbers = {str(number)[:32] for numbers in named if isinstance(numbers, list) for number in numbers[:MOST_ACTIONS]}
    rows = SubOrder.objects.filter(number__in=numbers, order__channel__merchant=order.channel.merchant_id)
    return rows.exclude(order=order.pk).order_by("pk")


def units_of(part: SubOrder, told: Any) -> dict[int, int]:
    """The units, told by the order's lines, by line of the sub-order. Raises WrongFields."""
    keys = dict(SubOrderLine.objects.filter(sub_order=part).values_list("order_line__position", "pk"))
    found: dict[int, int] = {}
    wrong = []
    for place, one in enumerate(told if isinstance(told, list) else []):
        line, units = (one.get(name) for name in ("line", "quantity")) if isinstance(one, Mapping) else (None, None)
        if not isinstance(line, int) or line not in keys or keys[line] in found:
            text = _("The sub-order has no such line, or it is said twice.")
            wrong.append(FieldError(f"units.{place}.line", "unknown_line", text))
        elif not isinstance(units, int) or isinstance(units, bool) or not 1 <= units <= MOST_UNITS:
            text = _("Give a quantity of at least 1.")
            wrong.append(FieldError(f"units.{place}.quantity", "invalid", text))
        else:
            found[keys[line]] = units
    if not found and not wrong:
        wrong = [FieldError("units", "required", _("Name at least one unit."))]
    if wrong:
        raise WrongFields(wrong)
    return found


def read(order: Order, told: Sequence[Mapping[str, Any]], kept: Mapping[int, int]) -> list[Action]:
    """The actions, checked; `kept` is how many units of each line, by position, are not gone. At most three statements.

    Raises WrongFields, which names each wrong field as `actions.0.sku`.
    """
    if not told:
        raise WrongFields([FieldError("actions", "empty", _("Say what is to be changed."))])
    if len(told) > MOST_ACTIONS:
        detail = _("Give at most %(most)d changes at once.") % {"most": MOST_ACTIONS}
        raise WrongFields([FieldError("actions", "too_many", detail)])
    reader = _Reader(order, told, kept)
    found = [action for place, one in enumerate(told) if (action := reader.action(place, one)) is not None]
    reader.check_all(found)
    if reader.wrong:
        raise WrongFields(reader.wrong)
    return found


def _grown(told: Sequence[Mapping[str, Any]], kept: Mapping[int, int]) -> set[int]:
    """The lines (by position) that are to have more units than are left of them."""
    wanted = [(one.get("line"), one.get("quantity")) for one in told if one.get("do") == "quantity"]
    return {
        line for line, units in wanted if isinstance(line, int) and isinstance(units, int) and units > kept.get(line, 0)
    }


class _Reader:
    """Reads the actions of one change, noting what is wrong."""

    def __init__(self, order: Order, told: Sequence[Mapping[str, Any]], kept: Mapping[int, int]) -> None:
        self.order = order
        self.kept = kept
        self.wrong: list[FieldError] = []
        rows = OrderLine.objects.filter(order=order).select_related("sku")
        few = ("position", "name", "caller_code", "unit_price", "is_gift", "sku__code")
        self.lines = {line.position: line for line in rows.only(*few)}
        self.owner = order.channel.merchant
        again = [self.lines[place] for place in _grown(told, kept) if place in self.lines]
        named = {self._sku_of(one) for one in told if one.get("do") in ("add", "gift")}
        self.skus = selling.sold_by(self.owner, {pair for pair in named if pair}) if named else {}
        catalogue = selling.catalogue_of(self.owner).filter(pk__in={line.sku_id for line in again})
        self.still_sold = {sku.pk: sku for sku in catalogue} if again else {}
        self._seen: set[object] = set()

    def _sku_of(self, one: Mapping[str, Any]) -> tuple[str, str]:
        return str(one.get("merchant") or self.owner.code)[:64], str(one.get("sku", ""))[:64]

    def refuse(self, place: int, name: str, code: str, detail: str) -> None:
        """Note that a field is wrong."""
        self.wrong.append(FieldError(f"actions.{place}.{name}" if name else f"actions.{place}", code, detail))

    def _refuse_all(self, place: int, errors: Sequence[FieldError]) -> None:
        for error in errors:
            self.refuse(place, error.attr or "", error.code, error.detail)

    def action(self, place: int, one: Mapping[str, Any]) -> Action | None:
        """The action at a place; None, and noted, where it is wrong."""
        name = str(one.get("do", ""))
        if name in BEYOND:
            return self._beyond(place, name, one)
        read_one = getattr(self, f"_{name}") if name in NAMES else None
        if read_one is None:
            self.refuse(place, "do", "invalid_choice", _("Give one of: %(choices)s.") % {"choices": ", ".join(NAMES)})
            return None
        found: Action | None = read_one(place, one)
        return found

    def _beyond(self, place: int, name: str, one: Mapping[str, Any]) -> Wish | None:
        try:
            found = beyond.read(name, self.order, one)
        except WrongFields as refusal:
            self._refuse_all(place, refusal.errors)
            return None
        except OmsError as refusal:
            self.refuse(place, refusal.attr or "", refusal.code, str(refusal))
            return None
        return found if name != "invoice" or self._once(place, "do", name) else None

    def _part(self, place: int, one: Mapping[str, Any]) -> SubOrder | None:
        part = SubOrder.objects.filter(order=self.order, number=str(one.get("sub_order", ""))).first()
        if part is None:
            self.refuse(place, "sub_order", "not_found", _("The order has no such sub-order."))
        return part

    def _merge(self, place: int, one: Mapping[str, Any]) -> Merge | None:
        part, numbers = self._part(place, one), one.get("together_with")
        if part is None:
            return None
        found = {other.number: other.pk for other in others_of(self.order, [one])}
        if not isinstance(numbers, list) or not numbers or set(numbers) - found.keys():
            text = _("Name sub-orders of other orders of the same merchant.")
            self.refuse(place, "together_with", "not_found", text)
            return None
        key = ("merge", part.pk)
        return Merge((part.pk, *found.values())) if self._once(place, "sub_order", key) else None

    def _split(self, place: int, one: Mapping[str, Any]) -> Split | None:
        part = self._part(place, one)
        if part is None:
            return None
        try:
            units = units_of(part, one.get("units"))
        except WrongFields as refusal:
            self._refuse_all(place, refusal.errors)
            return None
        return Split(part.pk, units) if self._once(place, "sub_order", ("split", part.pk)) else None

    def check_all(self, found: Sequence[Action]) -> None:
        """What is wrong with all of them together."""
        added = sum(isinstance(one, Add) for one in found)
        if len(self.lines) + added > MAX_LINES:
            detail = _("An order has at most %(most)d lines.") % {"most": MAX_LINES}
            self.wrong.append(FieldError("actions", "too_many_lines", detail))

    def _once(self, place: int, name: str, key: object) -> bool:
        if key in self._seen:
            self.refuse(place, name, "repeated", _("This is said twice: say it once."))
            return False
        self._seen.add(key)
        return True

    def _units(self, place: int, one: Mapping[str, Any], least: int) -> int | None:
        units = one.get("quantity")
        if not isinstance(units, int) or isinstance(units, bool) or not least <= units <= MOST_UNITS:
            detail = _("Give a whole number of units, from %(least)d to %(most)d.")
            self.refuse(place, "quantity", "invalid", detail % {"least": least, "most": MOST_UNITS})
            return None
        return units

    def _amount(self, place: int, one: Mapping[str, Any], name: str, *, signed: bool) -> int | None:
        try:
            amount = Decimal(str(one[name]))
            is_right = amount.is_finite() and amount == round(amount, 2) and abs(amount) <= _LARGEST
        except (KeyError, InvalidOperation):
            is_right = False
        if not is_right or (not signed and amount < 0) or (signed and not amount):
            detail = _("Give an amount in yuan other than 0, such as -10.00.") if signed else _("Give a price in yuan.")
            self.refuse(place, name, "invalid_amount", detail)
            return None
        return to_fen(amount)

    def _line(self, place: int, one: Mapping[str, Any]) -> OrderLine | None:
        position = one.get("line")
        line = self.lines.get(position) if isinstance(position, int) else None
        if line is None:
            self.refuse(place, "line", "unknown_line", _("The order has no line %(id)s.") % {"id": position})
        return line

    def _add(self, place: int, one: Mapping[str, Any]) -> Add | None:
        is_gift = one["do"] == "gift"
        units = self._units(place, one, 1)
        sku = self.skus.get(self._sku_of(one))
        if sku is None:
            detail = _("The channel does not sell %(sku)s now: choose another one.")
            self.refuse(place, "sku", "unknown_sku", detail % {"sku": one.get("sku", "")})
        price: int | None = 0
        typed = not is_gift and one.get("unit_price") not in (None, "")
        if typed:
            price = self._amount(place, one, "unit_price", signed=False)
        elif sku is not None and not is_gift:
            price = to_fen(sku.list_price)
        if sku is None or units is None or price is None:
            return None
        if not is_gift and price < to_fen(sku.floor_price or Decimal(0)):
            detail = _("No unit of %(sku)s may cost less than its floor price, ¥%(floor)s.")
            values = {"sku": sku.code, "floor": sku.floor_price}
            self.refuse(place, "unit_price", "below_floor", detail % values)
            return None
        return Add(sku, units, price, sku.name, is_gift, typed and price != to_fen(sku.list_price))

    _gift = _add

    def _quantity(self, place: int, one: Mapping[str, Any]) -> Add | Remove | None:
        units, line = self._units(place, one, 0), self._line(place, one)
        if units is None or line is None or not self._once(place, "line", ("quantity", line.position)):
            return None
        left = self.kept.get(line.position, 0)
        if units < left:
            return Remove(line.position, left - units)
        if units == left:
            self.refuse(place, "quantity", "unchanged", _("The line has that many units already."))
            return None
        sku = self.still_sold.get(line.sku_id)
        if sku is None:
            detail = _("The channel does not sell %(sku)s now: choose another one.")
            self.refuse(place, "line", "unknown_sku", detail % {"sku": line.sku_code or line.caller_code})
            return None
        return Add(sku, units - left, to_fen(line.unit_price), line.name, line.is_gift)

    def _adjust(self, place: int, one: Mapping[str, Any]) -> Adjust | None:
        amount = self._amount(place, one, "amount", signed=True)
        line = self._line(place, one) if one.get("line") is not None else None
        bearer = one.get("bearer")
        if bearer not in Bearer.values:
            choices = _("Give one of: %(choices)s.") % {"choices": ", ".join(Bearer.values)}
            self.refuse(place, "bearer", "invalid_choice", choices)
            return None
        if amount is None or (one.get("line") is not None and line is None):
            return None
        if line is not None and line.is_gift:
            self.refuse(place, "line", "is_gift", _("A gift costs nothing."))
            return None
        position = line.position if line else None
        return Adjust(amount, Bearer(bearer), position) if self._once(place, "line", ("adjust", position)) else None

    def _freight(self, place: int, one: Mapping[str, Any]) -> Freight | None:
        amount = self._amount(place, one, "amount", signed=True)
        return Freight(amount) if amount is not None and self._once(place, "do", "freight") else None

    def _recipient(self, place: int, one: Mapping[str, Any]) -> Recipient | None:
        given = {name: one.get(name) for name in ("name", "phone", "region_code", "address")}
        for name, value in given.items():
            if value is not None and not isinstance(value, str):
                self.refuse(place, name, "invalid", _("Give a text."))
                return None
        return Recipient(**given) if self._once(place, "do", "recipient") else None

    def _appointment(self, place: int, one: Mapping[str, Any]) -> Appointment | None:
        moments: dict[str, datetime | None] = {}
        for name in ("delivery_from", "delivery_until"):
            told = one.get(name)
            try:
                moments[name] = parse_datetime(str(told)) if told else None
            except ValueError:
                moments[name] = None
            moment = moments[name]
            if told and (moment is None or moment.tzinfo is None):
                detail = _("Give a time with its zone, such as 2026-01-02T09:00:00+08:00.")
                self.refuse(place, name, "no_time_zone", detail)
                return None
        begins, ends = moments["delivery_from"], moments["delivery_until"]
        if begins and ends and begins >= ends:
            self.refuse(place, "delivery_until", "out_of_range", _("The time of delivery must end after it begins."))
            return None
        latest = ends or begins
        if latest is not None and latest <= timezone.now():
            detail = _("Nothing can be delivered then any more; give a later time, or none.")
            self.refuse(place, "delivery_until" if ends else "delivery_from", "in_the_past", detail)
            return None
        return Appointment(begins, ends) if self._once(place, "do", "appointment") else None
