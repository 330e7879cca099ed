"""What the page of a return shows: its two tracks, its units, and what its money comes to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from oms.common.errors import ChangedMeanwhile, OmsError
from orders.changing import followed_gifts
from orders.models import Found, MoneyState, ReturnedSerial, ReturnKind, ReturnRequest, ReturnState, SubOrderLine
from orders.models.return_request import MONEY_DONE
from orders.returning import serials, tracks
from orders.returning.inspecting import Findings
from orders.returning.locking import lines_of
from orders.returning.terms import Against
from orders.telling import story
from payments.granting.previewing import followed_label
from payments.models import GrantState, RefundGrant, RefundState
from payments.returning import granting
from payments.returning.forms import followed_kept, units_to_pay

_S = ReturnState


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a track: reached at a time, or not yet; `is_now` where it stands."""

    title: str
    at: datetime | None = None
    is_done: bool = False
    is_now: bool = False


@dataclass(frozen=True, slots=True)
class Unit:
    """A line of the return with what it is of, and what was found."""

    line: Any
    position: int
    name: str
    sku: str
    is_gift: bool
    paid_for: int | None
    left: int
    found: Sequence[tuple[str, int, str]]
    wants_serials: bool = False
    sold_serials: Sequence[str] = ()
    serials: Sequence[str] = ()


def goods_track(row: ReturnRequest) -> list[Step]:
    """The goods' way: what is behind, where it stands, what comes."""
    steps: list[tuple[str, datetime | None, Sequence[str]]] = [(_("Requested"), row.created_at, (_S.REQUESTED,))]
    if row.kind != ReturnKind.REFUSED_AT_DOOR:
        steps.append((_("Decided"), row.decided_at, (_S.APPROVED, _S.AWAITING_GOODS)))
    if row.needs_goods:
        steps += [
            (_("On its way back"), row.handed_over_at, (_S.IN_TRANSIT,)),
            (_("Received"), row.received_at, (_S.RECEIVED,)),
            (_("Inspected"), row.inspected_at, (_S.INSPECTED,)),
        ]
    ended = (_S.CLOSED, _S.DECLINED, _S.CANCELLED, _S.EXPIRED)
    last = str(row.get_state_display()) if row.state in ended else str(_S.CLOSED.label)
    steps.append((last, row.ended_at, ended))
    return [Step(title, at, at is not None, row.state in states) for title, at, states in steps]


def money_track(row: ReturnRequest, grants: Sequence[RefundGrant]) -> list[Step]:
    """The money's way; it follows the grant and its refunds."""
    if row.money_state == MoneyState.NOTHING:
        return [Step(str(MoneyState.NOTHING.label), row.ended_at, True, True)]
    grant = next((one for one in grants if one.state != GrantState.DECLINED), None)
    sent = list(grant.refunds.all()) if grant else []
    is_paid = bool(sent) and all(refund.state == RefundState.SUCCEEDED for refund in sent)
    granted_at = grant.decided_at if grant and grant.state == GrantState.APPROVED else None
    return [
        Step(_("Due"), None, row.money_state != MoneyState.NOT_DUE, row.money_state == MoneyState.TO_GRANT),
        Step(_("Granted"), granted_at, row.money_state in MONEY_DONE, row.money_state == MoneyState.PROPOSED),
        Step(_("Money sent"), None, bool(sent), bool(sent) and not is_paid),
        Step(_("Money arrived"), None, is_paid, is_paid),
    ]


def units_of(row: ReturnRequest, paid_for: Mapping[int, int]) -> list[Unit]:
    """The lines with their findings, and the units that are to be paid for (by sub-order line). Two statements, three
    more where SKUs have serial numbers."""
    findings: dict[int, list[tuple[str, int, str]]] = {}
    for line_id, found, quantity, note in row.lines.filter(findings__isnull=False).values_list(
        "pk", "findings__found", "findings__quantity", "findings__note"
    ):
        findings.setdefault(line_id, []).append((str(Found(found).label), quantity, note))
    lines = lines_of(row)
    has_serials = any(line.sub_order_line.order_line.sku.wants_serials for line in lines)
    sold = serials.sold_with(row.order_id) if has_serials else {}
    back = serials.came_back_of(row.order_id) if has_serials else {}
    named: dict[int, list[str]] = {}
    if has_serials:
        for line_id, serial in ReturnedSerial.objects.filter(line__in=lines).values_list("line", "serial"):
            named.setdefault(line_id, []).append(serial)
    return [
        Unit(
            line,
            line.sub_order_line.order_line.position,
            line.sub_order_line.order_line.name,
            line.sub_order_line.order_line.sku.code,
            line.sub_order_line.order_line.is_gift,
            paid_for.get(line.sub_order_line_id),
            line.quantity - sum(count for _label, count, _note in findings.get(line.pk, ())),
            findings.get(line.pk, ()),
            line.sub_order_line.order_line.sku.wants_serials,
            sorted(sold.get(sku := line.sub_order_line.order_line.sku_id, set()) - back.get(sku, set())),
            named.get(line.pk, ()),
        )
        for line in lines
    ]


def context_of(row: ReturnRequest, chosen: Any, *, shows_money: bool = True) -> dict[str, Any]:
    """All that the page's template needs; `chosen` may name the units that are paid for. What they cost, and what was
    granted, only where it `shows_money`."""
    granted = row.grants.select_related("reason").prefetch_related("refunds").order_by("-pk")
    grants = list(granted) if shows_money else []
    calculation: dict[str, Any] | None = None
    paid_for: dict[int, int] | None = None
    kept: dict[int, int] = {}
    why_not = ""
    if shows_money and row.money_state == MoneyState.TO_GRANT:
        try:
            paid_for, said = units_to_pay(chosen), followed_kept(chosen)
            if said is None:
                said = followed_gifts.still_kept(row.order_id, granting.said_to_be_kept(row))
            kept = said
            calculation = granting.preview(row.pk, paid_for, kept).as_json()
        except OmsError as refusal:
            why_not = str(refusal)
        except ValidationError as refusal:
            why_not = " ".join(refusal.messages)
    followed = followed_gifts.of_order(row.order_id) if calculation and row.agreed_amount is None else []
    return {
        "row": row,
        "end_reason": story.REASONS.word(row.end_reason),
        "goods_track": goods_track(row),
        "money_track": money_track(row, grants),
        "units": units_of(row, paid_for or {}),
        "tracks": tracks.of(row.pk) if row.needs_goods else [],
        "photos": list(row.photos.order_by("pk")),
        "grants": grants,
        "against": [Against(code).label for code in row.outside_terms],
        "found_choices": [(code.value, str(code.label)) for code in Found],
        "may_be_inspected": row.state == ReturnState.RECEIVED,
        "calculation": calculation,
        "why_not": why_not,
        "paid_for": list((paid_for or {}).items()),
        "followed": [(gift.part, followed_label(gift), gift.units, kept.get(gift.part, 0)) for gift in followed],
    }


def with_findings(refusal: ChangedMeanwhile, findings: Findings) -> ChangedMeanwhile:
    """The refusal of an inspection that somebody else was faster with, with what was said in it: the page that follows
    has no fields for that any more."""
    positions = dict(SubOrderLine.objects.filter(pk__in=findings).values_list("pk", "order_line__position"))
    said = [
        f"{positions[key]}: {Found(code).label} × {count}"
        for key, found in findings.items()
        for code, count in found.items()
        if count and key in positions
    ]
    return ChangedMeanwhile(_("%(refusal)s You had said: %(found)s.") % {"refusal": refusal, "found": ", ".join(said)})
