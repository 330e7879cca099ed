"""What the page on which staff change an order offers beside goods and amounts: units that go by themselves, parcels
that go together, and units that the buyer has and exchanges."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, QueryDict
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from orders.admin.merging import RIGHT as MERGE_RIGHT
from orders.changing.merge_fits import Match, matches_of
from orders.fulfilling import dividing
from orders.models import Order, ReturnReason, SubOrder, SubOrderLine
from orders.models.order import OVER
from orders.models.return_rule import REFUSED_AT_DOOR
from orders.models.sub_order import ARRIVED
from orders.returning import counting

EXCHANGE_RIGHT = "orders.work_return"
Wish = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Units:
    """Units of a line of a sub-order that may be chosen, and what was typed."""

    line: SubOrderLine
    part: SubOrder
    most: int
    typed: str


@dataclass(frozen=True, slots=True)
class Together:
    """A sub-order of another order that may go in the parcel of one of this order."""

    match: Match
    value: str
    is_ticked: bool


@dataclass(frozen=True, slots=True)
class Offered:
    """What the page offers and what was typed of it; nothing of what the person may not do."""

    to_split: Sequence[Units]
    to_merge: Sequence[Together]
    to_exchange: Sequence[Units]
    reasons: Sequence[tuple[str, str]]
    reason: str
    exchanged: frozenset[str]

    @property
    def is_any(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.to_split or self.to_merge or self.to_exchange)


def offered(request: HttpRequest, order: Order, posted: QueryDict | None) -> Offered:
    """What of the loaded order can be split, merged and exchanged, with what was typed. At most four statements."""
    given: Mapping[str, str] = posted or {}
    may_merge, may_exchange = request.user.has_perm(MERGE_RIGHT), request.user.has_perm(EXCHANGE_RIGHT)
    to_exchange = list(_units(_exchangeable(order), "exchange", given)) if may_exchange else []
    ticked = set(posted.getlist("merge")) if posted else set()
    reasons = ReturnReason.objects.filter(is_active=True).exclude(code=REFUSED_AT_DOOR)
    return Offered(
        to_split=list(_units(dividing.divisible(order), "split", given)) if may_merge else [],
        to_merge=_together(order, ticked) if may_merge else [],
        to_exchange=to_exchange,
        reasons=[(one.code, str(one)) for one in reasons] if to_exchange else [],
        reason=given.get("return_reason", ""),
        exchanged=frozenset(posted.getlist("exchanged") if posted and to_exchange else ()),
    )


def _exchangeable(order: Order) -> list[SubOrder]:
    """Parts that the buyer has, of goods of the shop's own merchant: others decide for themselves, by a return."""
    own = order.channel.merchant_id
    return [
        part
        for part in order.sub_orders.all()
        if part.state in ARRIVED and not part.is_virtual and part.merchant_id == own
    ]


def _units(parts: Iterable[SubOrder], name: str, given: Mapping[str, str]) -> Iterable[Units]:
    for part in parts:
        for line in part.lines.all():
            most = line.quantity if name == "split" else counting.left_of(line)
            if most > 0:
                yield Units(line, part, most, given.get(f"{name}_{line.pk}", "").strip())


def _together(order: Order, ticked: set[str]) -> list[Together]:
    if order.state in OVER:
        return []
    found = []
    for match in matches_of([order.pk]).get(order.pk, []):
        is_merged = match.own.group_id is not None and match.own.group_id == match.other.group_id
        if match.is_possible and not is_merged:
            value = f"{match.own.number}:{match.other.number}"
            found.append(Together(match, value, value in ticked))
    return found


def wish_of(shown: Offered, goods: Sequence[Wish]) -> list[Wish]:
    """What is wanted of it, as actions of a change set; `goods` are those (with `sku`, `merchant`, `quantity`) that are
    sent for what is exchanged. Raises OmsError for what is no number, and where new goods have no units to come for."""
    wish: list[Wish] = [
        {"do": "split", "sub_order": part, "units": units} for part, units in _by_part(shown.to_split).items()
    ]
    others = defaultdict(list)
    for one in shown.to_merge:
        if one.is_ticked:
            others[one.match.own.number].append(one.match.other.number)
    wish += [{"do": "merge", "sub_order": part, "together_with": numbers} for part, numbers in others.items()]
    exchanged = _by_part(shown.to_exchange)
    if goods and len(exchanged) != 1:
        raise OmsError(_("Say which units come back for the new goods, of one sub-order."), attr="units")
    for part, units in exchanged.items():
        told = {"return_reason": shown.reason, "goods": list(goods)}
        wish.append({"do": "exchange", "sub_order": part, "units": units, **told})
    return wish


def _by_part(rows: Sequence[Units]) -> dict[str, list[dict[str, int]]]:
    found: dict[str, list[dict[str, int]]] = defaultdict(list)
    for one in rows:
        if one.typed in ("", "0"):
            continue
        if not (one.typed.isascii() and one.typed.isdigit() and len(one.typed) < 9):
            raise OmsError(_("Give whole numbers of units, 0 for what stays."), attr="units")
        found[one.part.number].append({"line": one.line.order_line.position, "quantity": int(one.typed)})
    return found


def post(order: Order, posted: QueryDict, one: Mapping[str, Any]) -> None:
    """Put an action of the open draft into what the page would send."""
    if one["do"] == "merge":
        posted.setlistdefault("merge").extend(f"{one['sub_order']}:{number}" for number in one["together_with"])
        return
    lines = {
        line.order_line.position: line.pk
        for part in order.sub_orders.all()
        if part.number == one["sub_order"]
        for line in part.lines.all()
    }
    for units in one["units"]:
        if units["line"] in lines:
            posted[f"{one['do']}_{lines[units['line']]}"] = str(units["quantity"])
    if one["do"] == "exchange":
        posted["return_reason"] = one["return_reason"]


def sentences(wish: Iterable[Mapping[str, Any]]) -> list[str]:
    """What splits and merges of a change do, in words."""
    found = []
    for one in wish:
        if one["do"] == "split":
            count = sum(units["quantity"] for units in one["units"])
            text = _("%(units)d units of %(number)s go as a sub-order of their own.")
            found.append(text % {"units": count, "number": one["sub_order"]})
        elif one["do"] == "merge":
            text = _("%(number)s goes in one parcel with %(others)s; money, invoice and state stay with each order.")
            values = {"number": one["sub_order"], "others": _(", ").join(one["together_with"])}
            found.append(text % values)
    return found
