"""Quotes by the API: by when a basket gets somewhere, for how much, and what else is possible there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext as _
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from inventory import selling
from inventory.models import Region, Sku
from inventory.promising import quoting
from inventory.promising.dating import Reason
from inventory.promising.offering import Offer
from inventory.promising.quoting import BasketLine, PlannedParcel, Quote
from oms.common.door.api import read_body
from oms.common.door.errors import InvalidInput
from oms.common.errors import FieldError
from oms.common.money import fen_text, to_fen
from oms.merchants.calls.views import MerchantView
from oms.merchants.models import Channel, Merchant
from orders.api.serializers.promise import PromiseRequestSerializer, QuoteSerializer
from orders.fulfilling.waiting import units_waited_for
from orders.intake.addressing import read_text
from orders.intake.divisions import divisions
from orders.intake.terms import carriers_in_use
from orders.matching import known
from orders.matching.known import price_parts
from orders.models import PaymentMethod
from orders.stock.baskets import channel_of


class PromiseView(MerchantView):
    """Quotes for baskets."""

    scopes = {"POST": "inventory.read"}
    # It changes nothing: asking twice is two quotes.
    requires_idempotency_key = False
    serializer_class = QuoteSerializer

    @extend_schema(
        operation_id="quote_promise",
        summary="Ask by when a basket would arrive, and for how much",
        description=(
            "For a basket and a region (or an address that names one): the parcels to expect and why, each service"
            " level with its date, freight and reasons or why it cannot be had, and whether cash on delivery, an"
            " invoice and an appointment are possible there. What no warehouse has is promised from what is on order,"
            " less what other orders wait for: such a parcel has `expected_on`. Nothing is reserved; stock and room may"
            " go to others. The date is what 95 % of such parcels keep."
        ),
        tags=["promise"],
        request=PromiseRequestSerializer,
        responses=OpenApiResponse(QuoteSerializer, "What could be promised now."),
    )
    def post(self, request: Request) -> Response:
        """The quote."""
        data = read_body(PromiseRequestSerializer, request).validated_data
        region = _region(data)
        channel = _channel(self.merchant, data["source"])
        basket = self._basket(data["lines"], channel)
        now = timezone.now()
        is_cod = data["payment_method"] == PaymentMethod.COD
        found = quoting.quote(
            basket.lines,
            region,
            now,
            channel_id=channel.pk if channel is not None else None,
            is_cod=is_cod,
            carriers=carriers_in_use(),
            waited_for=units_waited_for,
        )
        return Response(_shown(found, basket, region, now, self.merchant))

    def _basket(self, rows: Sequence[dict[str, Any]], channel: Channel | None) -> "_Basket":
        """The lines with their SKUs; a code of the channel that stands for several, such as a bundle, as these. Raises
        InvalidInput that names every line which is wrong."""
        merchant = self.merchant
        wanted = [(row.get("merchant", merchant.code), row["sku"]) for row in rows]
        matches = channel is not None and channel.matches_skus
        parts = known.read([channel.pk], [row["sku"] for row in rows]) if channel is not None and matches else {}
        of_codes = {
            i: parts[channel.pk, code]
            for i, (owner, code) in enumerate(wanted)
            if channel is not None and owner == merchant.code and (channel.pk, code) in parts
        }
        sold = selling.sold_by(merchant, {one for i, one in enumerate(wanted) if i not in of_codes})
        ids = {part.sku.id for own in of_codes.values() for part in own}
        skus = Sku.objects.select_related("merchant").in_bulk(ids) if ids else {}
        wrong, found = [], _Basket([], [])
        for i, row in enumerate(rows):
            owner, code = wanted[i]
            if i in of_codes:
                owner, code = next(((x.sku.merchant, x.sku.code) for x in of_codes[i] if not x.is_sold), ("", ""))
                price = to_fen(row["unit_price"]) if "unit_price" in row else known.list_price_of(of_codes[i])
                for one in price_parts(of_codes[i], quantity=row["quantity"], unit_price=price, line_discount=0):
                    found.add(i, BasketLine(skus[one.part.sku.id], one.quantity, one.unit_price))
            elif (sku := sold.get((owner, code))) is not None:
                found.add(i, BasketLine(sku, row["quantity"], to_fen(row.get("unit_price", sku.list_price))))
                continue
            if code:
                detail = _("Merchant %(merchant)s sells no SKU %(sku)s.") % {"merchant": owner, "sku": code}
                wrong.append(FieldError(f"lines.{i}.sku", "unknown_sku", detail))
        if wrong:
            raise InvalidInput(wrong)
        return found


@dataclass(frozen=True, slots=True)
class _Basket:
    """What a basket's lines stand for, and of which line (its place) each is."""

    lines: list[BasketLine]
    places: list[int]

    def add(self, place: int, line: BasketLine) -> None:
        """Also this, of the line at that place."""
        self.lines.append(line)
        self.places.append(place)


def _channel(merchant: Merchant, source: str) -> Channel | None:
    """The channel of that code; left out, the merchant's own, or none where it has none. Raises WrongFields."""
    if not source:
        return Channel.objects.filter(merchant=merchant, code=merchant.code, is_active=True).first()
    return channel_of(merchant, source)


def _region(data: dict[str, Any]) -> str:
    """The code of the county that the basket goes to. Raises InvalidInput."""
    code, attr = data.get("region_code", ""), "region_code"
    if not code:
        attr = "address"
        read = read_text(data.get("address", ""), divisions())
        code = read.region_code or ""
        if read.candidates and not code:
            places = "; ".join(map(str, read.candidates))
            detail = _("Several divisions may be meant: %(places)s. Give the region code.") % {"places": places}
            raise InvalidInput([FieldError(attr, "ambiguous_region", detail)])
    region = Region.objects.filter(code=code).first()
    if region is None:
        detail = _("Give the six-digit code of a county-level division (GB/T 2260), such as 110101.")
        raise InvalidInput([FieldError(attr if data.get(attr) else "region_code", "unknown_region", detail)])
    if not region.is_served:
        detail = _("Nothing is sent to %(region)s.") % {"region": region}
        raise InvalidInput([FieldError(attr, "region_not_served", detail)])
    return region.code


def _shown(found: Quote, basket: _Basket, region: str, now: datetime, merchant: Merchant) -> dict[str, Any]:
    return {
        "region_code": region,
        "quoted_at": now,
        "parcels": [_parcel(one, basket, merchant) for one in found.parcels],
        "levels": [_level(one) for one in found.offers],
        "short": _units(found.short, basket),
        "virtual": _units(found.virtual, basket),
        "cash_on_delivery": _possibility(found.no_cod),
        # Invoices are electronic: they need no address.
        "invoice": _possibility(None),
        "appointments": [
            {
                "begins_at": one.begins_at,
                "ends_at": one.ends_at,
                "name": one.slot.name,
                "fee": fen_text(one.slot.fee_fen),
            }
            for one in found.appointments
        ],
    }


def _parcel(one: PlannedParcel, basket: _Basket, merchant: Merchant) -> dict[str, Any]:
    is_own = one.merchant == merchant.code
    why = one.why.as_json() if one.why else None
    if why and not is_own:
        why.pop("warehouse", None)
    return {
        "warehouse": one.warehouse if is_own else None,
        "merchant": one.merchant,
        "storage_class": one.parcel.storage_class,
        "weight_g": one.parcel.measures.weight_g,
        "is_size_known": one.parcel.measures.volume_cm3 is not None,
        "lines": _units(one.contents, basket),
        "why": why,
        "expected_on": one.expected_on,
    }


def _units(contents: Iterable[tuple[int, int]], basket: _Basket) -> list[dict[str, Any]]:
    return [{"line": basket.places[i], "sku": basket.lines[i].sku.code, "quantity": units} for i, units in contents]


def _possibility(refusal: Reason | None) -> dict[str, Any]:
    return {"is_possible": refusal is None, "reason": refusal.as_json() if refusal else None}


def _level(offer: Offer) -> dict[str, Any]:
    is_possible = offer.is_possible
    return {
        "code": offer.level.code,
        "name": offer.level.name,
        "is_possible": is_possible,
        "latest_at": offer.latest_at if is_possible else None,
        "is_provisional": any(one.arrival.is_provisional for one in offer.carriages),
        "fee": fen_text(offer.level.fee_fen),
        "freight": fen_text(offer.freight_fen) if is_possible else None,
        "parcels": [
            {
                "parcel": place,
                "carrier": one.carrier,
                "service": one.service,
                "leaves_at": one.arrival.cutoff_at,
                "planned_on": one.arrival.planned_on,
                "latest_at": one.arrival.latest_at,
                "freight": fen_text(one.freight.fen),
                "billing_weight_g": one.freight.billing_g,
                "is_by_volume": one.freight.is_by_volume,
                "reasons": [reason.as_json() for reason in one.arrival.reasons],
            }
            for place, one in enumerate(offer.carriages if is_possible else ())
        ],
        "refusals": [{"parcel": place, "reason": why.as_json()} for place, why in sorted(offer.refusals.items())],
    }
