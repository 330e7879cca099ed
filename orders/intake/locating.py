"""Where an order goes: the recipient as the sender wrote it, made into a region, an address and a phone in one form."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec
from django.utils.translation import gettext as _

from oms.common import phones
from oms.common.errors import FieldError
from orders.intake.addressing import Parts, is_empty_city, misfit, read_latin_within, read_parts, read_text
from orders.intake.bodies import BuyerBody, OrderBody, RecipientBody
from orders.intake.divisions import Divisions, Place, divisions
from orders.intake.latin import is_latin


class Atlas:
    """The divisions, looked up once for a batch of orders, and only if one of them needs it."""

    @cached_property
    def known(self) -> Divisions:
        """All divisions."""
        return divisions()


@dataclass(frozen=True, slots=True)
class Located:
    """An order whose recipient was read: phones in their normal form where they are numbers, the region's code and the
    rest of the address where they are certain. Else `candidates` are what a person is shown, and `errors` what
    contradicts itself."""

    body: OrderBody
    candidates: tuple[Place, ...] = ()
    errors: tuple[FieldError, ...] = ()


def locate(body: OrderBody, atlas: Atlas) -> Located:
    """Read the recipient: by the region code, else by province, city and district, else by the address in free text."""
    buyer, recipient = body.buyer, body.recipient
    candidates: tuple[Place, ...] = ()
    errors: tuple[FieldError, ...] = ()
    if not recipient.region_code:
        if recipient.province or recipient.city or recipient.district:
            recipient, candidates, errors = _by_parts(recipient, atlas.known)
        elif recipient.address.strip() and "\0" not in recipient.address:  # which is refused, not dropped
            recipient, candidates = _by_text(recipient, atlas.known)
    buyer_phone, phone = phones.compared(buyer.phone), phones.compared(recipient.phone)
    if buyer_phone != buyer.phone:
        buyer = BuyerBody(buyer.id, buyer.name, buyer_phone)
    if phone != recipient.phone:
        recipient = msgspec.structs.replace(recipient, phone=phone)
    if buyer is not body.buyer or recipient is not body.recipient:
        body = msgspec.structs.replace(body, buyer=buyer, recipient=recipient)
    return Located(body, candidates, errors)


def _by_text(recipient: RecipientBody, known: Divisions) -> tuple[RecipientBody, tuple[Place, ...]]:
    read = read_text(recipient.address, known)
    rest, name, phone = read.rest, recipient.name, recipient.phone
    # What stands beside the address is the recipient's where nothing else is, and stays where it says something else.
    if read.name and recipient.name not in ("", read.name):
        rest = f"{rest} {read.name}"
    if read.phone and recipient.phone and phones.compared(recipient.phone) != read.phone:
        rest = f"{rest} {read.phone}"
    found = msgspec.structs.replace(
        recipient,
        region_code=read.region_code or "",
        address=rest,
        name=name or read.name,
        phone=phone or read.phone,
    )
    return found, read.candidates


def _by_parts(
    recipient: RecipientBody, known: Divisions
) -> tuple[RecipientBody, tuple[Place, ...], tuple[FieldError, ...]]:
    parts = parts_of(recipient)
    read = read_parts(parts, known)
    if read.region_code:
        return at(recipient, read.region_code, read.rest), (), ()
    if read.in_zone:
        return msgspec.structs.replace(recipient, address=_after(read.rest, recipient.address)), read.candidates, ()
    if not parts.district.strip() and not read.gone and "\0" not in recipient.address:
        # The address may go on where the parts end.
        names = [name for name in (parts.province, parts.city) if not is_empty_city(name)]
        if is_latin(recipient.address):
            text = read_latin_within(parts, recipient.address, known)
        else:
            text = read_text(" ".join([*names, recipient.address]), known)
        if text.region_code:
            return at(msgspec.structs.replace(recipient, address=text.rest), text.region_code), (), ()
        if text.candidates:
            return recipient, text.candidates, ()
    return recipient, (), (_refusal(parts, read.gone, read.candidates, known),)


def at(recipient: RecipientBody, code: str, town: str = "") -> RecipientBody:
    """The recipient in the division; a town that stood in place of the district goes to the front of the address."""
    address = _after(town, recipient.address)
    return msgspec.structs.replace(recipient, region_code=code, address=address, province="", city="", district="")


def _after(town: str, address: str) -> str:
    return address if address.startswith(town) else town + address


def parts_of(recipient: RecipientBody) -> Parts:
    """The names of the recipient's region."""
    return Parts(recipient.province, recipient.city, recipient.district)


def _refusal(parts: Parts, gone: str, candidates: Sequence[Place], known: Divisions) -> FieldError:
    """Which of the parts is wrong, and what to write instead."""
    if gone:
        return FieldError("recipient.district", "abolished_region", gone_text(gone, candidates))
    province = known.provinces.get(parts.province.strip())
    if parts.province.strip() and province is None:
        detail = _("There is no province %(name)s.") % {"name": parts.province}
        return FieldError("recipient.province", "unknown_region", detail)
    if len(candidates) > 1 and is_empty_city(parts.city):
        places = "; ".join(map(str, candidates))
        detail = _("Several cities have a district of that name; give the city: %(places)s.") % {"places": places}
        return FieldError("recipient.district", "ambiguous_region", detail)
    if province is not None and not is_empty_city(parts.city) and parts.city.strip() not in province.cities:
        detail = _("%(province)s has no city %(name)s.") % {"province": province.name, "name": parts.city}
        return FieldError("recipient.city", "unknown_region", detail)
    where = parts.province if is_empty_city(parts.city) else parts.city
    if not parts.district.strip():
        detail = _("Give the district, or the region code.")
    elif where.strip():
        detail = _("%(city)s has no district %(name)s.") % {"city": where, "name": parts.district}
    else:
        detail = _("There is no district %(name)s.") % {"name": parts.district}
    return FieldError("recipient.district", "unknown_region", detail)


def gone_text(name: str, successors: Sequence[Place]) -> str:
    """That a division is no more, and what took its place."""
    places = "; ".join(map(str, successors))
    return _("%(name)s was abolished; its area lies now in: %(places)s.") % {"name": name, "places": places}


def unknown_code(code: str, known: Divisions) -> FieldError:
    """That the code is none, and, of one that was abolished, what took its place."""
    if gone := known.abolished.get(code):
        return FieldError("recipient.region_code", "unknown_region", gone_text(gone.gone, gone.successors))
    is_code = len(code) == 6 and code.isascii() and code.isdigit() and code[0] != "0"
    detail = _("Give the six-digit code of a county-level division (GB/T 2260), such as 110101.")
    return FieldError("recipient.region_code", "unknown_region" if is_code else "invalid_region", detail)


def fit(recipient: RecipientBody, known: Divisions) -> RecipientBody | FieldError:
    """The recipient whose code is known, with a town in place of the district moved to the address; or the name that
    is not the code's."""
    place = known.by_code[recipient.region_code]
    parts = parts_of(recipient)
    wrong = misfit(place, parts, known)
    if wrong:
        detail = _("The region code lies in %(known)s, not in %(given)s.")
        names = {"known": getattr(place, wrong), "given": getattr(parts, wrong)}
        return FieldError(f"recipient.{wrong}", "region_mismatch", detail % names)
    town = read_parts(Parts(place.province, place.city, parts.district), known).rest if parts.district else ""
    return at(recipient, place.code, town)
