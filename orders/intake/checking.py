"""What must be true of an order before it is stored. Everything that is wrong is named, field by field."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from django.utils.translation import gettext as _

from inventory.cod import takes_cod
from inventory.models import UNKNOWN_GOODS
from oms.common.errors import FieldError
from oms.common.masking import is_masked
from oms.common.money import MAX_FEN, NotAnAmount, fen_text, to_fen
from orders.intake import pricing
from orders.intake.bodies import MAX_LINES, LineBody, OrderBody, RecipientBody
from orders.intake.divisions import Place
from orders.intake.goods import KnownSku
from orders.intake.invoices import CheckedInvoice
from orders.intake.locating import Located, fit, unknown_code
from orders.intake.pricing import PLAIN, Pricing
from orders.intake.reference import KnownRegion, Reference
from orders.intake.refusals import Refusals
from orders.intake.terms import CheckedTerms, check_terms
from orders.matching.known import Parts, Unfit, floor_of, price_parts
from orders.models.hold import AddressGap, MatchProblem
from orders.models.order import PaymentMethod, Promise

MAX_QUANTITY = 10_000

_EXTERNAL_NUMBER = re.compile(r"[0-9A-Za-z][0-9A-Za-z._:/#-]{0,63}")
# Kept once: for the enums, `values` is a new list each time.
_PAYMENT_METHODS, _PROMISES = tuple(PaymentMethod.values), tuple(Promise.values)
_NO_PARTS: Parts = ()
NOWHERE = KnownRegion("", "", "")  # of an order that is refused, or whose region a person will say


# Structs, because there are many of them, and frozen dataclasses take ten times as long to make.
class CheckedLine(msgspec.Struct, frozen=True, gc=False):
    """A line whose SKU is known, or waits to be said (then it is the placeholder); amounts in fen.

    `caller_code` is how the caller named the goods, where that is not the SKU's code. A line with `parts` is one code
    that stands for several units or SKUs: it becomes a line for each of them (`orders.matching.parting`), with so many
    units in the caller's piece; all but the first say of which position they are `part_of`.
    """

    sku: KnownSku
    name: str
    quantity: int
    unit_price: int
    line_discount: int
    goods_amount: int
    floor_amount: int = 0  # what its units must cost at least
    external_id: str = ""
    is_gift: bool = False
    stated_value: int = 0
    caller_code: str = ""
    parts: Parts = ()
    units_a_piece: int = 1
    part_of: int | None = None

    @property
    def is_virtual(self) -> bool:
        """Whether nothing of it is packed."""
        return all(part.sku.is_virtual for part in self.parts) if self.parts else self.sku.is_virtual


@dataclass(frozen=True, slots=True)
class Question:
    """What a person must say before goods go anywhere, and the regions that may be meant."""

    gaps: tuple[AddressGap, ...]
    candidates: tuple[str, ...] = ()

    @property
    def details(self) -> dict[str, object]:
        """As a hold keeps it."""
        return {"gaps": [str(gap) for gap in self.gaps], "candidates": list(self.candidates)}


@dataclass(frozen=True, slots=True)
class Missing:
    """The codes that somebody must match before goods go anywhere; `unfit` are those that are matched to what does not
    serve the order."""

    codes: tuple[str, ...]
    unfit: tuple[Unfit, ...] = ()
    is_unpriced: bool = False  # they get their list price then

    @property
    def details(self) -> dict[str, object]:
        """As a hold keeps it."""
        unmatched = [code for code in self.codes if code not in {unfit.code for unfit in self.unfit}]
        return {"codes": unmatched, "unfit": [unfit.as_list() for unfit in self.unfit]}


class CheckedOrder(msgspec.Struct, frozen=True, gc=False):
    """An order that may be stored; amounts in fen."""

    body: OrderBody
    channel_id: int
    source: str
    region: KnownRegion
    lines: list[CheckedLine]
    goods_amount: int
    freight_amount: int
    coupon_amount: int
    points_amount: int
    gift_card_amount: int
    payable_amount: int
    question: Question | None = None
    deductions_are_outside: bool = False
    pricing: Pricing = PLAIN
    terms: CheckedTerms | None = None
    invoice: CheckedInvoice | None = None
    missing: Missing | None = None

    @property
    def is_held(self) -> bool:
        """Whether it waits for a person as soon as it is stored."""
        return self.question is not None or self.missing is not None


def check(
    located: Located, reference: Reference, channel_id: int, *, asks_a_person: bool = False
) -> CheckedOrder | Sequence[FieldError]:
    """The order with its amounts in fen, or everything that is wrong with it. With `asks_a_person`, phones and address
    may be empty: a person is asked, as of all regions that are not certain."""
    wrong = Refusals()
    _check_head(located.body, wrong)
    body, region = _check_people(located, reference, wrong, asks_a_person)
    lines = _check_lines(body, reference, channel_id, wrong)
    terms, invoice = check_terms(body, wrong, is_history=reference.is_history)
    order = CheckedOrder(
        body=body,
        channel_id=channel_id,
        source=body.source or reference.merchant.code,
        region=region,
        lines=lines,
        goods_amount=sum([line.goods_amount for line in lines]),
        freight_amount=wrong.amount("freight_amount", body.freight_amount),
        coupon_amount=wrong.amount("coupon_amount", body.coupon_amount),
        points_amount=wrong.amount("points.amount", body.points.amount),
        gift_card_amount=wrong.amount("gift_card_amount", body.gift_card_amount),
        payable_amount=wrong.amount("payable_amount", body.payable_amount),
        deductions_are_outside=pricing.are_deductions_outside(body, reference),
        pricing=pricing.check(body, reference, wrong),
        question=None if reference.is_history else _question(body, region, lines, located.candidates),
        terms=terms,
        invoice=invoice,
        missing=_missing(lines, channel_id, reference) if channel_id in reference.matching else None,
    )
    if not wrong:
        _check_money(order, wrong)
    return wrong or order


def _check_head(body: OrderBody, wrong: Refusals) -> None:
    if not _EXTERNAL_NUMBER.fullmatch(body.external_number):
        wrong.add(
            "external_number",
            "invalid",
            _("Give 1 to 64 letters, digits or . _ : / # - beginning with a letter or digit."),
        )
    wrong.choice("payment_method", body.payment_method, _PAYMENT_METHODS)
    wrong.choice("promise", body.promise, _PROMISES)
    wrong.moment("ordered_at", body.ordered_at)
    if body.remark:
        wrong.text("remark", body.remark, 500, required=False)


def _check_people(
    located: Located, reference: Reference, wrong: Refusals, asks_a_person: bool
) -> tuple[OrderBody, KnownRegion]:
    """The order with the region's names checked and put away, and its region."""
    body = located.body
    buyer, recipient = body.buyer, body.recipient
    wrong.text("buyer.id", buyer.id, 64)
    wrong.text("buyer.name", buyer.name, 80)
    can_wait = asks_a_person and not buyer.phone
    buyer_is_right = can_wait or is_masked(buyer.phone) or wrong.phone("buyer.phone", buyer.phone)
    wrong.text("recipient.name", recipient.name, 80)
    if (recipient.phone != buyer.phone or not buyer_is_right) and not is_masked(recipient.phone):
        wrong.phone("recipient.phone", recipient.phone)
    wrong.text("recipient.address", recipient.address, 200, required=not asks_a_person)
    wrong.extend(located.errors)
    region = reference.regions.get(recipient.region_code)
    if region is None:
        may_ask = not reference.is_history and (asks_a_person or recipient.address.strip())
        if recipient.region_code or not (may_ask or located.errors):
            wrong.append(unknown_code(recipient.region_code, reference.atlas.known))
        return body, NOWHERE
    if not _is_named_so(recipient, region):
        fitting = fit(recipient, reference.atlas.known)
        if isinstance(fitting, FieldError):
            wrong.append(fitting)
        elif fitting.address != recipient.address:
            body = msgspec.structs.replace(body, recipient=fitting)
    return body, region


def _is_named_so(recipient: RecipientBody, region: KnownRegion) -> bool:
    """Whether the names that are given are the region's, letter by letter."""
    return (
        recipient.province in ("", region.province)
        and recipient.city in ("", region.city)
        and recipient.district in ("", region.district)
    )


def _question(
    body: OrderBody, region: KnownRegion, lines: Sequence[CheckedLine], candidates: Sequence[Place]
) -> Question | None:
    """What a person must say before the goods go; virtual ones go nowhere."""
    recipient = body.recipient
    gaps = address_gaps(
        recipient.name,
        recipient.phone,
        recipient.address,
        has_region=bool(recipient.region_code),
        is_served=region.is_served,
        has_token=bool(body.receiver_token),
    )
    if not gaps or all(line.is_virtual for line in lines):
        return None
    return Question(tuple(gaps), tuple(map(str, candidates)))


def _missing(lines: Sequence[CheckedLine], channel_id: int, reference: Reference) -> Missing | None:
    """Which codes must be matched before the order goes on."""
    codes = tuple(dict.fromkeys(line.caller_code for line in lines if line.sku.code == UNKNOWN_GOODS))
    if not codes:
        return None
    parts = {code: reference.matches.get((channel_id, code), ()) for code in codes}
    unfit = tuple(found for code in codes if (found := unsold(code, parts[code])))
    return Missing(codes, unfit, reference.unknown.is_unpriced)


def unsold(code: str, parts: Parts) -> Unfit | None:
    """What the code stands for that the channel does not sell now, if anything."""
    return next((Unfit(code, MatchProblem.NOT_SOLD, part.sku.code) for part in parts if not part.is_sold), None)


def address_gaps(
    name: str, phone: str, address: str, *, has_region: bool, is_served: bool, has_token: bool = False
) -> list[AddressGap]:
    """What a recipient lacks for goods to be sent to: what is empty, hidden by a platform, or served by nobody. With a
    token the platform tells the carrier what it hides."""
    gaps = []
    if not phone:
        gaps.append(AddressGap.NO_PHONE)
    elif is_masked(phone) and not has_token:
        gaps.append(AddressGap.MASKED_PHONE)
    if is_masked(name) and not has_token:
        gaps.append(AddressGap.MASKED_NAME)
    if not address:
        gaps.append(AddressGap.NO_ADDRESS)
    elif is_masked(address) and not has_token:
        gaps.append(AddressGap.MASKED_ADDRESS)
    if not has_region:
        gaps.append(AddressGap.NO_REGION)
    elif not is_served:
        gaps.append(AddressGap.NOT_SERVED)
    return gaps


def _check_lines(body: OrderBody, reference: Reference, channel_id: int, wrong: Refusals) -> list[CheckedLine]:
    if not body.lines:
        wrong.add("lines", "empty", _("An order needs at least one line."))
    if len(body.lines) > MAX_LINES:
        wrong.add("lines", "too_many", _("An order has at most %(most)d lines.") % {"most": MAX_LINES})
        return []
    is_cod = body.payment_method == PaymentMethod.COD
    is_matching = channel_id in reference.matching
    _check_ids(body, wrong)
    lines = []
    for i, line in enumerate(body.lines):
        already_wrong = len(wrong)
        merchant = line.merchant or reference.merchant.code
        sku, parts = reference.skus.get((merchant, line.sku)), _NO_PARTS
        if is_matching:
            sku, parts = _goods_of(line, sku, channel_id, reference)
        if sku is not None and sku.code == UNKNOWN_GOODS:
            wrong.text(f"lines.{i}.sku", line.sku, 64)
        if sku is None and merchant not in reference.merchants:
            detail = _("No merchant %(merchant)s sells in this channel.") % {"merchant": merchant}
            wrong.add(f"lines.{i}.merchant", "unknown_merchant", detail)
        elif sku is None and not reference.merchants[merchant]:
            detail = _("Merchant %(merchant)s takes no orders: it is not active yet, or suspended.")
            wrong.add(f"lines.{i}.merchant", "merchant_not_active", detail % {"merchant": merchant})
        elif sku is None:
            detail = _("Merchant %(merchant)s sells no SKU %(sku)s.") % {"merchant": merchant, "sku": line.sku}
            wrong.add(f"lines.{i}.sku", "unknown_sku", detail)
        if not 0 < line.quantity <= MAX_QUANTITY:
            detail = _("Give a quantity from 1 to %(most)d.") % {"most": MAX_QUANTITY}
            wrong.add(f"lines.{i}.quantity", "invalid_quantity", detail)
        if line.name:
            wrong.text(f"lines.{i}.name", line.name, 200)
        if line.id or line.is_gift or line.stated_value:
            _check_id_and_gift(line, i, wrong)
        refusing = _refusing_cod(sku, parts, reference) if is_cod and sku is not None else None
        if refusing:
            detail = _(
                "Goods of merchant %(merchant)s are not sold for cash on delivery; send them prepaid, or as an order of"
                " their own."
            )
            wrong.add(f"lines.{i}.merchant", "cod_not_accepted", detail % {"merchant": refusing.merchant})
        try:
            unit_price, discount = to_fen(line.unit_price), to_fen(line.line_discount)
        except NotAnAmount:
            unit_price = discount = -1
        if unit_price < 0 or discount < 0:
            wrong.amount(f"lines.{i}.unit_price", line.unit_price)
            wrong.amount(f"lines.{i}.line_discount", line.line_discount)
        if sku is None or len(wrong) > already_wrong:
            continue
        goods = unit_price * line.quantity - discount
        if goods < 0:
            detail = _("The discount is more than the goods cost.")
            wrong.add(f"lines.{i}.line_discount", "discount_too_large", detail)
            continue
        # What ended elsewhere cost what it cost.
        floor = 0 if reference.is_history else sku.floor_price * line.quantity
        if parts and not reference.is_history:
            priced = price_parts(parts, quantity=line.quantity, unit_price=unit_price, line_discount=discount)
            floor = floor_of(priced)
        lines.append(
            CheckedLine(
                sku,
                line.name or sku.name or line.sku,
                line.quantity,
                unit_price,
                discount,
                goods,
                floor,
                external_id=line.id,
                is_gift=line.is_gift,
                stated_value=to_fen(line.stated_value),
                caller_code=_other_name(line, sku, parts) if is_matching else "",
                parts=parts,
            )
        )
    if not reference.is_history:
        _check_that_something_is_sold(body, wrong)
    return lines


def _goods_of(
    line: LineBody, sku: KnownSku | None, channel_id: int, reference: Reference
) -> tuple[KnownSku | None, Parts]:
    """The SKU of the line in a channel that matches SKUs, and where its code stands for more than one unit of that, its
    parts; `sku` is the one of that very code. The placeholder where the order may wait until somebody says what the
    code stands for."""
    parts = reference.parts_of(channel_id, line)
    if parts and not reference.is_history and not all(part.is_sold for part in parts):
        return reference.placeholder, ()
    if parts:
        return parts[0].sku, parts if len(parts) > 1 or parts[0].units > 1 else ()
    if sku is None and reference.may_wait(channel_id, line):
        return reference.placeholder, ()
    return sku, ()


def _other_name(line: LineBody, sku: KnownSku, parts: Parts) -> str:
    """The caller's code, where it is not simply the SKU's."""
    is_own = line.sku == sku.code and len(parts) < 2 and sku.code != UNKNOWN_GOODS
    return "" if is_own else line.sku


def _check_ids(body: OrderBody, wrong: Refusals) -> None:
    """The caller's line ids differ."""
    ids = [line.id for line in body.lines if line.id]
    if len(set(ids)) == len(ids):
        return
    seen: set[str] = set()
    for i, line in enumerate(body.lines):
        if line.id and line.id in seen:
            wrong.add(f"lines.{i}.id", "repeated", _("Another line of the order has this id."))
        seen.add(line.id)


def _check_id_and_gift(line: LineBody, i: int, wrong: Refusals) -> None:
    if line.id:
        wrong.text(f"lines.{i}.id", line.id, 64)
    wrong.amount(f"lines.{i}.stated_value", line.stated_value)
    if line.is_gift and line.unit_price:
        detail = _("A gift costs nothing: give the price 0.00, and what it is worth in `stated_value`.")
        wrong.add(f"lines.{i}.unit_price", "gift_with_price", detail)
    elif line.stated_value and not line.is_gift:
        wrong.add(f"lines.{i}.stated_value", "not_a_gift", _("Only gifts have a stated value: set `is_gift`."))


def _refusing_cod(sku: KnownSku, parts: Parts, reference: Reference) -> KnownSku | None:
    """Which of the line's SKUs may not be paid on delivery, if any."""
    if reference.is_history:
        return None
    skus = [part.sku for part in parts] or [sku]
    return next((one for one in skus if not takes_cod(one.cod, one.id, reference.lies_with_us)), None)


def _check_that_something_is_sold(body: OrderBody, wrong: Refusals) -> None:
    if body.lines and all(line.is_gift for line in body.lines):
        wrong.add("lines", "only_gifts", _("Gifts are sent with an order; an order of gifts alone is not."))


def _check_money(order: CheckedOrder, wrong: Refusals) -> None:
    if order.coupon_amount > order.goods_amount:
        wrong.add("coupon_amount", "coupon_too_large", _("The coupon is worth more than the goods."))
    used = order.body.points.used
    if not 0 <= used <= 2_000_000_000 or (order.points_amount > 0) != (used > 0):
        wrong.add("points", "points_mismatch", _("Points used and their amount must both be given, or neither."))
    due = order.goods_amount + order.freight_amount - order.coupon_amount - order.points_amount - order.gift_card_amount
    due += order.pricing.adjustment_amount - order.pricing.promotion_amount
    if due < 0:
        wrong.add("payable_amount", "deductions_too_large", _("The deductions are more than the order costs."))
    elif due != order.payable_amount:
        wrong.add("payable_amount", "does_not_add_up", _sum_told(order, due))
    if order.goods_amount + order.freight_amount + max(0, order.pricing.adjustment_amount) > MAX_FEN:
        wrong.add("lines", "amount_too_large", _("The order costs more than can be stored."))
    if order.pricing.collected:
        pricing.check_collected(order.pricing.collected, order.payable_amount, wrong)


def _sum_told(order: CheckedOrder, due: int) -> str:
    values = {
        "due": fen_text(due),
        "given": fen_text(order.payable_amount),
        "goods": fen_text(order.goods_amount),
        "freight": fen_text(order.freight_amount),
        "deducted": fen_text(order.goods_amount + order.freight_amount + order.pricing.adjustment_amount - due),
    }
    if not order.pricing.adjustment_amount:
        detail = _(
            "The amounts add up to %(due)s, not to %(given)s: goods %(goods)s + freight %(freight)s - deductions"
            " %(deducted)s."
        )
        return detail % values
    detail = _(
        "The amounts add up to %(due)s, not to %(given)s: goods %(goods)s + freight %(freight)s - deductions"
        " %(deducted)s + adjustment %(adjustment)s, which is negative where it makes the order cheaper."
    )
    return detail % {**values, "adjustment": fen_text(order.pricing.adjustment_amount)}
