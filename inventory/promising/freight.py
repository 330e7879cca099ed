"""What a parcel costs: pure, in whole fen and grams.

    fee      = first_fee + ceil((billing − first) / step) × step_fee
    billing  = max(mass, volume / divisor), rounded up
    total    = (max(fee × factor, lowest fee) + surcharges) × (1 − discount)

Rounded once, half up, at the end of each line of the sum. No rate means no service, never free.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from inventory.models.catalogue import StorageClass
from inventory.models.freight import FreightSurcharge, ServiceKind

GRAMS_OF_A_KG = 1000

# Which kinds of services carry a class of goods.
_KINDS = {
    StorageClass.CHILLED: (ServiceKind.COLD,),
    StorageClass.FROZEN: (ServiceKind.COLD,),
    StorageClass.BULKY: (ServiceKind.BULKY,),
}
_ORDINARY = (ServiceKind.PREMIUM, ServiceKind.ECONOMY)


@dataclass(frozen=True, slots=True)
class Service:
    """A service of a carrier; weights in grams. See `inventory.models.CarrierService`."""

    carrier: str
    kind: str
    speed: str
    volumetric_divisor: int
    round_up_g: int
    max_g: int
    max_side_cm: int
    takes_cod: bool
    works_on_holiday: bool
    factor: Decimal = Decimal(1)
    minimum_fen: int = 0
    discount: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Rate:
    """First weight and steps, in grams and fen."""

    first_g: int
    first_fen: int
    step_g: int
    step_fen: int


@dataclass(frozen=True, slots=True)
class Surcharge:
    """What comes on top; see `inventory.models.FreightSurcharge`."""

    kind: str
    carrier: str = ""
    amount_fen: int = 0
    rate: Decimal = Decimal(0)
    above_side_cm: int | None = None
    starts_on: date | None = None
    ends_on: date | None = None


@dataclass(frozen=True, slots=True)
class Measures:
    """A parcel as it is weighed: volume and longest side are None where nobody knows them, then mass alone counts."""

    weight_g: int
    volume_cm3: int | None = None
    longest_side_cm: int | None = None


@dataclass(frozen=True, slots=True)
class Extras:
    """What surcharges depend on: the day, money to collect, value to insure, what the remote area asks for."""

    day: date | None = None
    cod_fen: int = 0
    insured_fen: int = 0
    remote_fen: int = 0


@dataclass(frozen=True, slots=True)
class FreightLine:
    """One part of the freight: weight, remote, oversize, cod, insurance, holiday, or discount (negative)."""

    kind: str
    fen: int


@dataclass(frozen=True, slots=True)
class Freight:
    """What a parcel costs and why."""

    billing_g: int
    is_by_volume: bool
    lines: tuple[FreightLine, ...]

    @property
    def fen(self) -> int:
        """The whole."""
        return sum(line.fen for line in self.lines)


class NoService(Exception):
    """The service does not carry the parcel; `code` says why: no_rate, too_heavy, too_long, no_cod."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def billing_weight_g(measures: Measures, service: Service) -> tuple[int, bool]:
    """The grams that are paid for, and whether volume made them."""
    by_mass = _units(measures.weight_g, service.round_up_g)
    # cm³ / divisor is kilograms; compared in whole units, so that nothing is rounded twice.
    by_volume = _units((measures.volume_cm3 or 0) * GRAMS_OF_A_KG, service.volumetric_divisor * service.round_up_g)
    return max(by_mass, by_volume) * service.round_up_g, by_volume > by_mass


def _units(amount: int, unit: int) -> int:
    return -(-amount // unit)


def freight(
    measures: Measures,
    service: Service,
    rate: Rate | None,
    *,
    surcharges: Iterable[Surcharge] = (),
    extras: Extras = Extras(),
) -> Freight:
    """What the parcel costs with the service. Raises NoService."""
    if rate is None:
        raise NoService("no_rate")
    if measures.weight_g > service.max_g:
        raise NoService("too_heavy")
    if measures.longest_side_cm is not None and measures.longest_side_cm > service.max_side_cm:
        raise NoService("too_long")
    if extras.cod_fen and not service.takes_cod:
        raise NoService("no_cod")
    billing_g, is_by_volume = billing_weight_g(measures, service)
    fee = rate.first_fen + _units(max(billing_g - rate.first_g, 0), rate.step_g) * rate.step_fen
    lines = [FreightLine("weight", max(_rounded(fee * service.factor), service.minimum_fen))]
    if extras.remote_fen:
        lines.append(FreightLine("remote", extras.remote_fen))
    for surcharge in surcharges:
        fen = _surcharge_fen(surcharge, service, measures, extras)
        if fen:
            lines.append(FreightLine(surcharge.kind, fen))
    if service.discount:
        lines.append(FreightLine("discount", -_rounded(sum(line.fen for line in lines) * service.discount)))
    return Freight(billing_g, is_by_volume, tuple(lines))


def _rounded(fen: Decimal) -> int:
    return int(fen.quantize(Decimal(1), ROUND_HALF_UP))


_Kind = FreightSurcharge.Kind


def _surcharge_fen(surcharge: Surcharge, service: Service, measures: Measures, extras: Extras) -> int:
    if surcharge.carrier not in ("", service.carrier):
        return 0
    applies: dict[str, Callable[[], bool]] = {
        _Kind.OVERSIZE: lambda: (measures.longest_side_cm or 0) > (surcharge.above_side_cm or 0),
        _Kind.COD: lambda: extras.cod_fen > 0,
        _Kind.INSURANCE: lambda: extras.insured_fen > 0,
        _Kind.HOLIDAY: lambda: (
            extras.day is not None
            and surcharge.starts_on is not None
            and surcharge.ends_on is not None
            and surcharge.starts_on <= extras.day <= surcharge.ends_on
        ),
    }
    if not applies[surcharge.kind]():
        return 0
    base = {_Kind.COD: extras.cod_fen, _Kind.INSURANCE: extras.insured_fen}.get(_Kind(surcharge.kind), 0)
    return max(surcharge.amount_fen, _rounded(base * surcharge.rate))


def services_for(services: Sequence[Service], storage_class: str, speed: str = "") -> list[Service]:
    """The services that carry goods of the class, at this speed where one is named."""
    kinds = _KINDS.get(StorageClass(storage_class), _ORDINARY)
    return [one for one in services if one.kind in kinds and speed in ("", one.speed)]
