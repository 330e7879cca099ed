"""Saying what the codes of channels stand for: by page, by API and from sheets."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from inventory.models import Sku
from inventory.selling import sold_for_all
from oms.common.copying import Rows, write_new
from oms.common.errors import FieldError
from oms.common.work import nudging
from oms.merchants.models import Channel, Merchant
from orders.actors import Actor
from orders.intake.refusals import Refusals
from orders.models import MatchComponent, MatchWait, SkuMatch
from orders.models.sku_match import MOST_COMPONENTS, MOST_UNITS

LONGEST_CODE = 64
MOST_WEIGHT = Decimal(100_000_000)


@dataclass(frozen=True, slots=True)
class NewComponent:
    """Units of a SKU in one piece; `merchant` is the code of the SKU's, "" for the channel's own. `weight` is its part
    of the price in yuan, next to the others'."""

    sku: str
    merchant: str = ""
    units: int = 1
    weight: Decimal | None = None


@dataclass(frozen=True, slots=True)
class NewMatch:
    """What a code of a channel (by its code) is to stand for."""

    channel: str
    code: str
    components: tuple[NewComponent, ...]


def put(merchant: Merchant, wanted: NewMatch, *, actor: Actor) -> SkuMatch | Sequence[FieldError]:
    """As `put_many`, of one."""
    return put_many(merchant, [wanted], actor=actor)[0]


def faults(merchant: Merchant, wanted: NewMatch) -> Sequence[FieldError]:
    """What is wrong with it, without writing anything."""
    channels = Channel.objects.filter(merchant=merchant).values_list("code", flat=True)
    return _check(wanted, merchant, set(channels), _skus_of(merchant, [wanted]))


@transaction.atomic
def put_many(merchant: Merchant, wanted: Sequence[NewMatch], *, actor: Actor) -> list[SkuMatch | Sequence[FieldError]]:
    """Let the codes of the merchant's channels stand for these components, instead of what they stood for; for each, in
    order, the match, or what is wrong with it. The codes differ. As many statements for many as for one.

    Orders that come in from now on have it at once; those that wait for it are let go on by the match stage.
    """
    channels = {channel.code: channel for channel in Channel.objects.filter(merchant=merchant)}
    skus = _skus_of(merchant, wanted)
    checked = [_check(one, merchant, channels, skus) for one in wanted]
    right = [one for one, wrong in zip(wanted, checked, strict=True) if not wrong]
    rows = {(match.channel_id, match.code): match for match in _write(right, merchant, channels, skus, actor)}
    nudging.nudge("match")
    return [wrong or rows[channels[one.channel].pk, one.code] for one, wrong in zip(wanted, checked, strict=True)]


@transaction.atomic
def forget(match_id: int) -> None:
    """Let a code stand for nothing. Orders that were matched stay as they are; new ones wait. Raises
    SkuMatch.DoesNotExist."""
    match = SkuMatch.objects.select_for_update(of=("self",)).get(pk=match_id)
    MatchComponent.objects.filter(match=match).delete()
    SkuMatch.objects.filter(pk=match_id).update(
        matched_at=None, matched_by="", wakes_since=None, revision=F("revision") + 1
    )


@dataclass(frozen=True, slots=True)
class Reach:
    """How many orders wait for a code: for this and no other, and for others besides."""

    at_once: int
    later: int


def reach(match_id: int) -> Reach:
    """Whom matching the code lets go on. One statement."""
    others = MatchWait.objects.filter(match__matched_at=None).exclude(match=match_id)
    waits = MatchWait.objects.filter(match=match_id)
    held_back = waits.filter(order__in=others.values("order")).count()
    return Reach(waits.count() - held_back, held_back)


Skus = Mapping[tuple[str, str], Sku]


def _skus_of(merchant: Merchant, wanted: Sequence[NewMatch]) -> Skus:
    """The SKUs that are named and that the merchant's channels may sell, by merchant's code and code."""
    codes = {part.sku for one in wanted for part in one.components if "\0" not in part.sku}
    skus = Sku.objects.filter(code__in=codes, is_active=True).select_related("merchant")
    if merchant.kind == Merchant.Kind.SELF_OPERATED:
        skus = skus.filter(sold_for_all(merchant))
    else:
        skus = skus.filter(merchant=merchant)
    return {(sku.merchant.code, sku.code): sku for sku in skus}


def _check(one: NewMatch, merchant: Merchant, channels: Collection[str], skus: Skus) -> Sequence[FieldError]:
    wrong = Refusals()
    if one.channel not in channels:
        detail = _("Merchant %(merchant)s has no channel %(code)s.")
        wrong.add("channel", "unknown_channel", detail % {"merchant": merchant.code, "code": one.channel})
    wrong.text("code", one.code, LONGEST_CODE)
    if not one.components:
        wrong.add("components", "empty", _("Say what the code stands for: at least one SKU."))
    if len(one.components) > MOST_COMPONENTS:
        detail = _("A code stands for at most %(most)d SKUs.") % {"most": MOST_COMPONENTS}
        wrong.add("components", "too_many", detail)
    seen = set()
    for i, part in enumerate(one.components):
        key = (part.merchant or merchant.code, part.sku)
        if key not in skus:
            detail = _("Merchant %(merchant)s sells no SKU %(sku)s.") % {"merchant": key[0], "sku": part.sku}
            wrong.add(f"components.{i}.sku", "unknown_sku", detail)
        elif key in seen:
            detail = _("This SKU is named already: give each once, with all its units.")
            wrong.add(f"components.{i}.sku", "repeated", detail)
        seen.add(key)
        if not 1 <= part.units <= MOST_UNITS:
            detail = _("Give a quantity from 1 to %(most)d.") % {"most": MOST_UNITS}
            wrong.add(f"components.{i}.units", "invalid_quantity", detail)
        if part.weight is not None and not wrong.amount(f"components.{i}.weight", part.weight) < 100 * MOST_WEIGHT:
            wrong.add(f"components.{i}.weight", "invalid_amount", _("This weight is too large."))
    return wrong


def _write(
    right: Sequence[NewMatch], merchant: Merchant, channels: Mapping[str, Channel], skus: Skus, actor: Actor
) -> list[SkuMatch]:
    if not right:
        return []
    by_key = {(channels[one.channel].pk, one.code): one for one in right}
    write_new(Rows("orders_skumatch", [{"channel_id": channel, "code": code} for channel, code in sorted(by_key)]))
    # The strong lock: who is only just storing an order with the code ends first (`waiting.begin`).
    found = SkuMatch.objects.filter(
        channel__in={channel for channel, _code in by_key}, code__in={code for _channel, code in by_key}
    )
    locked = found.order_by("id").select_for_update(of=("self",))
    matches = {(match.channel_id, match.code): match for match in locked}
    ids = {key: matches[key].pk for key in by_key}
    SkuMatch.objects.filter(pk__in=ids.values()).update(
        matched_at=Now(), matched_by=actor.name[:80], wakes_since=Now(), revision=F("revision") + 1
    )
    MatchComponent.objects.filter(match__in=ids.values()).delete()
    MatchComponent.objects.bulk_create(
        MatchComponent(
            match_id=ids[key],
            sku=skus[part.merchant or merchant.code, part.sku],
            units=part.units,
            weight=part.weight,
        )
        for key, one in by_key.items()
        for part in one.components
    )
    return list(SkuMatch.objects.filter(pk__in=ids.values()))
