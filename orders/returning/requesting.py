"""Asking for a return: by staff, merchants and buyers."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from decimal import Decimal

from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory import hosting
from inventory.models import Warehouse
from oms.common.errors import OmsError
from orders.actors import Actor, job
from orders.changing import charging, followed_gifts
from orders.locking import lock_order, mark_changed
from orders.models import (
    ActorKind,
    MoneyState,
    ReturnKind,
    ReturnLine,
    ReturnReason,
    ReturnRequest,
    ReturnState,
    SubOrderLine,
)
from orders.models.return_request import BY_REQUEST, ENDED_WITHOUT
from orders.models.return_rule import REFUSED_AT_DOOR
from orders.models.sub_order import ARRIVED
from orders.returning import counting, deadlines, deciding, exchanging, kinds, locking, photos
from orders.returning.exchanging import NewGoods
from orders.returning.terms import Against, against, terms_of

LONGEST_REMARK = 300


class OutsideTerms(OmsError):
    """The terms do not let such a return come back; staff may ask for it all the same."""

    code = "outside_terms"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody wants: units by sub-order line (id) of one sub-order, and why. `agreed_amount` (yuan) is money in
    place of all of it, where no goods come back; `goods` is what an exchange is to send, none: the same again;
    `followed_kept` are gifts that followed, and stay with the buyer."""

    kind: str
    units: Mapping[int, int]
    reason: str
    remark: str = ""
    agreed_amount: Decimal | None = None
    goods: Sequence[NewGoods] = ()
    followed_kept: Sequence[followed_gifts.Named] = ()


@transaction.atomic
def request(
    order_id: int, wanted: Wanted, *, actor: Actor, files: Sequence[UploadedFile] = (), version: int | None = None
) -> ReturnRequest:
    """Ask for a return; it is approved at once where its terms say so.

    A buyer who asks for the same once more within a minute pressed twice, and gets the first one.

    Raises OmsError (`attr` names the field) for units that cannot come back, an unknown kind or reason, and a wrong
    amount or photo; OutsideTerms for what a buyer may not ask for; ChangedMeanwhile for another version of the order.
    """
    if wanted.kind not in BY_REQUEST:
        known = ", ".join(BY_REQUEST)
        raise OmsError(_("Give one of: %(choices)s.") % {"choices": known}, attr="kind")
    reason = _reason(wanted.reason)
    order = lock_order(order_id, version=version)
    if actor.kind == ActorKind.BUYER and not wanted.goods and (again := _asked_just_now(order_id, wanted)):
        return again
    lines = _lines(order_id, wanted.units)
    _check_amount(order_id, wanted)
    if wanted.goods and wanted.kind != ReturnKind.EXCHANGE:
        raise OmsError(_("New goods are sent only for an exchange."), attr="goods")
    _check_followed(order_id, wanted)
    part = lines[0].sub_order
    now = timezone.now()
    terms = terms_of(line.order_line.sku for line in lines)
    signed_at = part.delivered_at or now
    outside = against(terms, wanted.kind, reason, signed_at=signed_at, now=now, has_photo=bool(files))
    if actor.kind == ActorKind.BUYER and outside:
        field = {Against.NO_PHOTO: "photos"}.get(outside[0], "reason")
        raise OutsideTerms(" ".join(str(code.label) for code in outside), attr=field)
    needs_goods = wanted.kind != ReturnKind.REFUND_ONLY
    row = ReturnRequest(
        number=f"{order.number}-T{ReturnRequest.objects.filter(order=order_id).count() + 1}",
        order=order,
        sub_order=part,
        kind=wanted.kind,
        money_state=MoneyState.NOTHING if wanted.kind == ReturnKind.REPAIR else MoneyState.NOT_DUE,
        reason=reason,
        remark=" ".join(wanted.remark.split())[:LONGEST_REMARK],
        fault=reason.fault,
        way_back_by=reason.fault,
        pays_on=terms.pays_on,
        agreed_amount=wanted.agreed_amount,
        followed_kept=[asdict(one) for one in wanted.followed_kept],
        outside_terms=[code.value for code in outside],
        decide_hours=terms.decide_hours,
        ship_days=terms.ship_days,
        inspect_hours=terms.inspect_hours,
        warehouse_id=_back_to(terms.warehouse_id, part.warehouse_id, lines) if needs_goods else None,
        requested_by_kind=actor.kind,
        requested_by=actor.name[:80],
        ready_at=deadlines.to_decide(now, terms.decide_hours),
    )
    row.save()
    counting.take(
        ReturnLine(
            return_request=row,
            sub_order_line=line,
            announced_quantity=wanted.units[line.pk],
            quantity=wanted.units[line.pk],
        )
        for line in lines
    )
    photos.add(row, files, actor=actor)
    if row.kind == ReturnKind.EXCHANGE:
        exchanging.keep_wish(row, wanted.goods)
    locking.save(row, kinds.REQUESTED, actor, wanted=row.kind, reason=reason.code)
    # A second press of the same button would ask for one more.
    mark_changed(order_id)
    if terms.approves_at_once and not outside:
        return deciding.approve(row.pk, actor=job(deadlines.NAME))
    return row


def _check_followed(order_id: int, wanted: Wanted) -> None:
    if not wanted.followed_kept:
        return
    if wanted.kind == ReturnKind.REPAIR or wanted.agreed_amount is not None:
        raise OmsError(_("Leave this out: it says nothing for this kind."), attr="followed_kept")
    followed_gifts.by_part(order_id, wanted.followed_kept)


def _back_to(of_terms: int | None, sent_from: int | None, lines: Iterable[SubOrderLine]) -> int | None:
    """The warehouse (id) of the terms, where it keeps such goods, else the one that sent them."""
    if of_terms is None or of_terms == sent_from:
        return sent_from
    host = hosting.host(Warehouse.objects.get(pk=of_terms))
    skus = [line.order_line.sku for line in lines]
    return of_terms if all(host.may_keep(sku.merchant_id, sku.storage_class) for sku in skus) else sent_from


def _asked_just_now(order_id: int, wanted: Wanted) -> ReturnRequest | None:
    rows = ReturnRequest.objects.filter(
        order=order_id,
        requested_by_kind=ActorKind.BUYER,
        kind=wanted.kind,
        reason__code=wanted.reason,
        created_at__gt=timezone.now() - timedelta(minutes=1),
    )
    # Where a person decided on the first one meanwhile, this is another one.
    untouched = Q(state=ReturnState.REQUESTED) | Q(decided_by=deadlines.NAME)
    for row in rows.filter(untouched).exclude(state__in=ENDED_WITHOUT).order_by("-pk"):
        if dict(row.lines.values_list("sub_order_line_id", "announced_quantity")) == dict(wanted.units):
            return row
    return None


@transaction.atomic
def request_each(
    order_id: int, wanted: Wanted, *, actor: Actor, files: Sequence[UploadedFile] = (), version: int | None = None
) -> list[ReturnRequest]:
    """Ask for a return of each sub-order of which units are named. Raises as `request` does."""
    by_part: dict[int, dict[int, int]] = defaultdict(dict)
    parts = SubOrderLine.objects.filter(pk__in=wanted.units, sub_order__order=order_id)
    for key, part in parts.order_by("sub_order_id", "pk").values_list("pk", "sub_order_id"):
        by_part[part][key] = wanted.units[key]
    if wanted.agreed_amount is not None and len(by_part) > 1:
        raise OmsError(_("Name units of one sub-order only, if an amount is agreed."), attr="agreed_amount")
    if wanted.goods and len(by_part) > 1:
        raise OmsError(_("Name units of one sub-order only, if new goods are chosen."), attr="goods")
    if not by_part:
        raise OmsError(_("Name at least one unit."), attr="lines")
    done = []
    for units in by_part.values():
        one = replace(wanted, units=units)
        done.append(request(order_id, one, actor=actor, files=files, version=version))
        version = None
        for file in files:
            file.seek(0)
    return done


def _reason(code: str) -> ReturnReason:
    reasons = ReturnReason.objects.filter(is_active=True).exclude(code=REFUSED_AT_DOOR)
    found = reasons.filter(code=code).first()
    if found is None:
        known = ", ".join(reasons.values_list("code", flat=True))
        raise OmsError(_("Give one of: %(choices)s.") % {"choices": known}, attr="reason")
    return found


def _lines(order_id: int, units: Mapping[int, int]) -> list[SubOrderLine]:
    if not units:
        raise OmsError(_("Name at least one unit."), attr="lines")
    if any(count < 1 for count in units.values()):
        raise OmsError(_("Give a quantity of at least 1."), attr="lines")
    rows = SubOrderLine.objects.filter(pk__in=units, sub_order__order=order_id)
    lines = list(rows.select_related("sub_order", "order_line__sku").order_by("pk"))
    if len(lines) != len(units):
        raise OmsError(_("A line is not of this order. Look at it again."), attr="lines")
    if len({line.sub_order_id for line in lines}) > 1:
        raise OmsError(_("A return is of one sub-order. Ask for each of them."), attr="lines")
    part = lines[0].sub_order
    if part.is_virtual:
        raise OmsError(_("Goods without a parcel do not come back. Give their money back by a refund."), attr="lines")
    if part.state not in ARRIVED:
        raise OmsError(_("Only goods that were delivered can come back."), attr="lines")
    return lines


def _check_amount(order_id: int, wanted: Wanted) -> None:
    amount = wanted.agreed_amount
    if amount is None:
        return
    if wanted.kind != ReturnKind.REFUND_ONLY:
        raise OmsError(_("An amount is agreed only where no goods come back."), attr="agreed_amount")
    if amount <= 0 or amount != round(amount, 2):
        raise OmsError(_("Give a positive amount with at most two places."), attr="agreed_amount")
    left = charging.owed(order_id)
    if amount > left:
        raise OmsError(_("Only %(left)s yuan are still owed for this order.") % {"left": left}, attr="agreed_amount")
