"""The deadlines that a new installation starts from; staff edit them as rows."""

from dataclasses import dataclass

from logistics.models import AlertKind, DeadlineRule, DeadlineStretch, ShipRule

_K = AlertKind


@dataclass(frozen=True, slots=True)
class Limit:
    """After how many hours a step is late, by level; `province` instead of `warning` within one province."""

    warning: float
    exception: float | None = None
    critical: float | None = None
    province: float | None = None


# By kind: of most carriers, of SF and JD, of EMS, YZPY and DBL where they differ. 48 h not collected is a logistics
# exception; what no vendor says is the trade's custom.
_TABLE: tuple[tuple[AlertKind, Limit, Limit | None, Limit | None], ...] = (
    (_K.SHIP_SOON, Limit(4), None, None),
    (_K.SHIP_LATE, Limit(0, 0), None, None),
    (_K.NOT_ACCEPTED, Limit(2), None, None),
    (_K.NOT_PICKED, Limit(12), None, None),
    (_K.NOT_PACKED, Limit(6), None, None),
    (_K.NO_WAYBILL, Limit(1), None, None),
    (_K.NOT_SHIPPED, Limit(24), None, None),
    (_K.PICKUP_SOON, Limit(12), Limit(6), None),
    (_K.PICKUP_TIMEOUT, Limit(24, 48), Limit(12, 48), None),
    (_K.NO_TRACE, Limit(24), None, None),
    (_K.DEPART_TIMEOUT, Limit(24), Limit(12), None),
    (_K.STALLED, Limit(24, None, 48), None, Limit(36, None, 72)),
    (_K.ARRIVED_NOT_OUT, Limit(12), Limit(6), Limit(24)),
    (_K.DELIVERY_TIMEOUT, Limit(24), Limit(12), None),
    (_K.LOCKER_OVERDUE, Limit(18, 72), None, None),
    (_K.SIGN_TIMEOUT, Limit(120, province=72), Limit(72), Limit(168)),
    (_K.PROBLEM, Limit(0), None, None),
    (_K.REJECTED, Limit(0), None, None),
    (_K.RETURNING, Limit(0), None, None),
)
_OTHERS, _QUICK, _SLOW = ("",), ("SF", "JD"), ("EMS", "YZPY", "DBL")
# Where a kind or a carrier has no row, these count; "" is every carrier that has none of its own.
LIMITS: dict[tuple[str, str], Limit] = {
    (kind.value, carrier): limit
    for kind, most, quick, slow in _TABLE
    for carriers, limit in ((_OTHERS, most), (_QUICK, quick), (_SLOW, slow))
    for carrier in carriers
    if limit is not None
}
# Provinces, by the beginning of their region codes, to which everything takes longer.
STRETCHES = {"54": 2.0, "65": 2.0, "63": 1.5, "15": 1.5, "46": 1.5}


def install_default_deadlines() -> None:
    """Give a new installation its rows of deadlines; does nothing where there are some."""
    if not ShipRule.objects.exists():
        # 5 % of the goods, at least 5 and at most 30 yuan: what Taobao's public rule of 2015 took for a late one.
        ShipRule.objects.create(hours=48, late_percent=5, late_least=5, late_most=30, note="淘宝 2015")
    if not DeadlineRule.objects.exists():
        DeadlineRule.objects.bulk_create(
            DeadlineRule(
                kind=kind,
                carrier=carrier,
                warning_hours=limit.warning,
                exception_hours=limit.exception,
                critical_hours=limit.critical,
                province_hours=limit.province,
            )
            for (kind, carrier), limit in LIMITS.items()
        )
    if not DeadlineStretch.objects.exists():
        DeadlineStretch.objects.bulk_create(
            DeadlineStretch(area=area, factor=factor) for area, factor in STRETCHES.items()
        )
