"""Changing who gets an order, and where, before anything of it is sent; what depends on the place is done again."""

import re
from dataclasses import dataclass, replace

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory import reserving
from inventory.models import MovementNote, Region
from oms.common import phones
from oms.common.errors import FieldError, OmsError, WrongFields
from oms.common.masking import is_masked
from oms.common.work import nudging
from orders import kinds
from orders.actors import Actor
from orders.changing import merging
from orders.changing.stamping import check_stamp
from orders.intake import address_words
from orders.intake.addresses import address_key
from orders.intake.addressing import ParsedAddress, parse_address
from orders.intake.refusals import Refusals
from orders.locking import lock_order, lock_sub_orders
from orders.models import Hold, Order, OrderTerms, SubOrder, SubOrderLine, SubOrderState
from orders.models.hold import AddressGap
from orders.models.order import OVER
from orders.models.sub_order import BEFORE_RELEASE, LEFT_WAREHOUSE
from orders.reviewing import deciding, words
from orders.reviewing.holds import ask_for_address, close_hold, gaps_of
from orders.telling import timeline

# Behind the name of a place it is a street of that name.
_STREET = re.compile(r"[东西南北中]?[一二三四五六七八九十]?(?:大街|大道|胡同|[路街道巷弄里])")
_MOST_PLACES = 6
_SHOWN = {
    "recipient_name": "name",
    "recipient_phone": "phone",
    "region_id": "region_code",
    "recipient_address": "address",
}


class CannotReaddress(OmsError):
    """The order is over, being cancelled, or some of it is in a warehouse's hands."""

    code = "cannot_change_recipient"


@dataclass(frozen=True, slots=True)
class Recipient:
    """What to change of the recipient; None leaves as it is. `region_code` is a county-level GB/T 2260 code."""

    name: str | None = None
    phone: str | None = None
    region_code: str | None = None
    address: str | None = None


def obstacle(order: Order, sub_orders: list[SubOrder]) -> str | None:
    """Why the recipient cannot be changed any more, or None."""
    if order.state in OVER:
        return _("The order is over: %(state)s.") % {"state": order.get_state_display()}
    if order.cancel_requested_at:
        return _("The cancellation is under way; the warehouse has not answered yet.")
    for part in sub_orders:
        if part.state == SubOrderState.CANCELLED or part.is_virtual:
            continue
        if part.state not in BEFORE_RELEASE:
            values = {"number": part.number, "state": part.get_state_display()}
            told = _("Sub-order %(number)s is in the warehouse's hands: %(state)s.") % values
            return f"{told} {_remedy(part)}"
    return None


def _remedy(part: SubOrder) -> str:
    """What can be done instead about a sub-order that a warehouse has or had."""
    if part.state in LEFT_WAREHOUSE:
        return _("Ask the carrier to bring its parcel elsewhere (Stop or redirect parcels).")
    if part.state == SubOrderState.PACKED:
        return _("Once it has left, ask the carrier to bring its parcel elsewhere (Stop or redirect parcels).")
    return _("No warehouse takes a new address: cancel the sub-order there, and order it anew once it is given up.")


@transaction.atomic
def change_recipient(
    order_id: int, new: Recipient, *, actor: Actor, version: int | None = None, stamp: str | None = None
) -> Order:
    """Change the recipient. In another region, sub-orders lose their warehouse and their stock and are sourced anew;
    the review rules look at the new address and phone. A hold that asks for the address ends once it is whole.

    `stamp` is that of the preview that was looked at. Raises CannotReaddress, WrongFields naming what is wrong,
    ChangedMeanwhile.
    """
    order = lock_order(order_id, version=version)
    sub_orders = lock_sub_orders(order_id)
    check_stamp(order, sub_orders, stamp)
    blocked = obstacle(order, sub_orders)
    if blocked:
        raise CannotReaddress(blocked)
    new = checked(new, order.region_id)
    values = {
        "recipient_name": new.name if new.name is not None else order.recipient_name,
        "recipient_phone": phones.compared(new.phone) if new.phone is not None else order.recipient_phone,
        "region_id": new.region_code if new.region_code is not None else order.region_id,
        "recipient_address": new.address if new.address is not None else order.recipient_address,
    }
    changed = sorted(name for name, value in values.items() if getattr(order, name) != value)
    if not changed:
        return order
    key = address_key(str(values["region_id"] or ""), str(values["recipient_address"]))
    Order.objects.filter(pk=order_id).update(**values, address_key=key)
    address_words.rewrite(order_id)
    _tell(order, {name: str(values[name] or "") for name in changed}, actor)
    if "region_id" in changed:
        _source_anew([part for part in sub_orders if not part.is_virtual], actor)
    for name, value in values.items():
        setattr(order, name, value)
    open_ones = list(Hold.objects.filter(order=order, kind=Hold.Kind.ADDRESS, released_at=None))
    # The platform knows only the receiver that it was told of.
    dropped = OrderTerms.objects.filter(order=order).exclude(receiver_token="").update(receiver_token="")
    OrderTerms.objects.filter(order=order).exclude(merge_key="").update(merge_key="")
    merging.part_from_others(order_id, "recipient", actor=actor)
    gaps = gaps_of(order)
    if not gaps:
        for hold in open_ones:
            close_hold(hold, note=words.ADDRESS_WHOLE, actor=actor)
    elif not open_ones and (dropped or AddressGap.NOT_SERVED in gaps):
        ask_for_address(order_id, gaps=gaps, actor=actor)
    if order.reviewed_at is not None:
        deciding.look_again(order_id)
    nudging.nudge("review", "split", "wake", "allocate", "release")
    return Order.objects.get(pk=order_id)


def checked(new: Recipient, region_code: str | None) -> Recipient:
    """The change as it is stored, with the region read out of its address; `region_code` is the one that stays where
    nothing says another. Raises WrongFields naming what is wrong."""
    new = _read(new, region_code)
    _check(new)
    return new


def _read(new: Recipient, region_code: str | None) -> Recipient:
    """The change with the region read out of an address that begins with it, and with name and phone of a whole text
    where nothing else says them. Raises WrongFields where both are given and contradict each other, and where the
    address names a place that is no certain region."""
    if not new.address:
        return new
    read = parse_address(new.address)
    is_whole = bool(read.name and read.phone) and new.name is None and new.phone is None
    if is_whole:
        new = replace(new, name=read.name, phone=read.phone, address=read.rest)
    if read.region_code is None:
        if not new.region_code and (places := _unclear(read, region_code)):
            text = _("It is not certain which region the address means: %(places)s. Begin it with province, city and"
                     " district, or name the region by its code.")  # fmt: skip
            raise WrongFields([FieldError("address", "region_unclear", text % {"places": _(", ").join(places)})])
        return new
    if new.region_code not in (None, "", read.region_code):
        detail = _("The address lies in another region: %(code)s.") % {"code": read.region_code}
        raise WrongFields([FieldError("region_code", "region_mismatch", detail)])
    # A name or phone beside fields that say them is a remark to the courier: it stays where it stands.
    is_alone = is_whole or not (read.name or read.phone)
    return replace(new, region_code=read.region_code, address=read.rest if is_alone else new.address)


def _unclear(read: ParsedAddress, region_code: str | None) -> list[str]:
    """The places that an address without a certain region may mean, where it begins with the name of one and that is
    not where the region that stays is; a street that is named like a place is none."""
    stays = Region.objects.filter(pk=region_code).first()
    named = False
    for place in read.candidates:
        for name, is_there in (
            (place.province, stays is not None and stays.province == place.province),
            (place.city, stays is not None and (stays.province, stays.city) == (place.province, place.city)),
            (place.district, stays is not None and stays.pk == place.code),
        ):
            if not _begins_with(read.rest, name):
                continue
            if is_there and not any(
                one.code != region_code and _begins_with(_behind(read.rest, name), one.district)
                for one in read.candidates
            ):
                return []
            named = True
    if named:
        return [str(place) for place in read.candidates[:_MOST_PLACES]]
    if not read.candidates:
        provinces = Region.objects.order_by().values_list("province", flat=True).distinct()
        return [one for one in provinces if read.rest.startswith(one) and not (stays and stays.province == one)]
    return []


def _begins_with(text: str, name: str) -> bool:
    return bool(name) and (behind := _behind(text, name)) != text and not _STREET.match(behind)


def _behind(text: str, name: str) -> str:
    """What follows the name of a division, written out or without its last character, at the beginning of the text."""
    short = name[:-1] if len(name) > 2 else name
    return text.removeprefix(name) if text.startswith(name) else text.removeprefix(short)


def _check(new: Recipient) -> None:
    wrong = Refusals()
    if new.name is not None:
        wrong.text("name", new.name, 80)
    if new.phone is not None:
        wrong.phone("phone", new.phone)
    for attr, value in (("name", new.name), ("address", new.address)):
        if value is not None and is_masked(value):
            wrong.add(attr, "masked", _("Write it out: with asterisks nobody can deliver."))
    if new.address is not None:
        wrong.text("address", new.address, 200)
    if new.region_code is not None:
        is_known = new.region_code.isascii() and new.region_code.isdigit()
        if not is_known or not Region.objects.filter(pk=new.region_code).exists():
            detail = _("Give the six-digit code of a county-level division (GB/T 2260), such as 110101.")
            wrong.add("region_code", "unknown_region", detail)
    if wrong:
        raise WrongFields(wrong)


def _tell(order: Order, new: dict[str, str], actor: Actor) -> None:
    """Tell which fields change; what they were and are is kept sealed."""
    changes: dict[str, tuple[str, str]] = {}
    for name, value in new.items():
        old = str(getattr(order, name) or "")
        changes[_SHOWN[name]] = (old, value)
        if name == "region_id":
            regions = {region.code: str(region) for region in Region.objects.filter(pk__in=[old, value])}
            changes["region"] = (regions.get(old, ""), regions.get(value, ""))
    fields = [_SHOWN[name].removesuffix("_code") for name in new]
    timeline.record(order.pk, kinds.RECIPIENT_CHANGED, actor, changes=changes, fields=fields)


def _source_anew(sub_orders: list[SubOrder], actor: Actor) -> None:
    """Give back warehouse and stock of what is not sent yet; what waits for stock is tried again at once."""
    allocated = [part.pk for part in sub_orders if part.state == SubOrderState.ALLOCATED]
    waiting = [part.pk for part in sub_orders if part.state == SubOrderState.BACKORDERED]
    now = timezone.now()
    SubOrder.objects.filter(pk__in=waiting).update(ready_at=now)
    if not allocated:
        return
    SubOrder.objects.filter(pk__in=allocated).update(
        state=SubOrderState.AWAITING_ALLOCATION,
        warehouse=None,
        allocated_at=None,
        sourcing=None,
        ready_at=now,
        attempts=0,
    )
    lines = SubOrderLine.objects.filter(sub_order_id__in=allocated).values_list("id", flat=True)
    reserving.release(list(lines), actor=actor.name, note=MovementNote.OTHER_REGION)
    timeline.record_of_sub_orders(allocated, kinds.SOURCED_ANEW, actor)
