"""How much a person may grant, alone and at all."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, Group, Permission
from django.db import connection, transaction
from django.db.models import Sum
from django.db.models.functions import Abs, Coalesce

from oms.common.money import yuan
from orders.models.amounts import Bearer
from payments.models import (
    AdjustmentState,
    BalanceAdjustment,
    GrantKind,
    GrantLimit,
    GrantReason,
    GrantState,
    RefundGrant,
)

# What people without any group that has a limit may grant alone, if they may grant at all; for superusers, whom nobody
# limits, what needs a second person all the same.
_NOTHING, _ALONE = Decimal(0), Decimal(10_000)
_LOCKS = 0x6772616E  # the space of the advisory locks on what a person granted today


@dataclass(frozen=True, slots=True)
class Limits:
    """In yuan; None: without limit. `single` and `daily` are what the person may decide, `alone` what it may decide of
    its own proposals."""

    single: Decimal | None
    daily: Decimal | None
    alone: Decimal | None

    def covers(self, amount: Decimal, *, granted_today: Decimal) -> bool:
        """Whether the person may decide on the amount."""
        is_within = self.single is None or amount <= self.single
        return is_within and (self.daily is None or granted_today + amount <= self.daily)

    def covers_alone(self, amount: Decimal, *, granted_today: Decimal) -> bool:
        """Whether the person may grant what it proposed itself."""
        return self.covers(amount, granted_today=granted_today) and (self.alone is None or amount <= self.alone)


def limits_of(user: AbstractBaseUser) -> Limits:
    """The limits of the person: the most generous of its groups'."""
    if getattr(user, "is_superuser", False):
        return Limits(None, None, _ALONE)
    rows = list(GrantLimit.objects.filter(group__user=user.pk))
    if not rows:
        return Limits(_NOTHING, _NOTHING, _NOTHING)

    def most(values: list[Decimal | None]) -> Decimal | None:
        known = [value for value in values if value is not None]
        return max(known) if len(known) == len(values) else None

    return Limits(
        most([row.single_amount for row in rows]),
        most([row.daily_amount for row in rows]),
        most([row.alone_up_to for row in rows]),
    )


def granted_today(name: str) -> Decimal:
    """What the person (by name) granted today, China's date, and adjusted of gift cards and points, in yuan; nobody
    else of that name does meanwhile: it stays locked until the end of the running transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [_LOCKS, name])
    midnight = datetime.now(ZoneInfo(settings.TIME_ZONE)).replace(hour=0, minute=0, second=0, microsecond=0)
    today = RefundGrant.objects.filter(decided_by=name, decided_at__gte=midnight, state=GrantState.APPROVED)
    granted: Decimal = today.aggregate(amount=Coalesce(Sum("granted_amount"), Decimal(0)))["amount"]
    adjusted = BalanceAdjustment.objects.filter(
        decided_by=name, decided_at__gte=midnight, state=AdjustmentState.APPROVED
    )
    return granted + yuan(adjusted.aggregate(fen=Sum(Abs("fen"), default=0))["fen"])


# The roles of a new installation (`oms.shipped_roles`) with what they may grant: one grant, a day, alone.
_ROLES: tuple[tuple[str, Decimal | None, Decimal | None, Decimal | None], ...] = (
    ("customer_service", Decimal(200), Decimal(2_000), None),
    ("customer_service_lead", Decimal(2_000), Decimal(20_000), None),
    ("finance", None, None, Decimal(10_000)),
    ("finance_lead", None, None, Decimal(10_000)),
    ("after_sales", Decimal(200), Decimal(2_000), None),
    ("administrator", None, None, Decimal(10_000)),
)
_REASONS = (
    ("no_reason", GrantKind.RETURN, Bearer.MERCHANT, False),
    ("sellers_fault", GrantKind.RETURN, Bearer.MERCHANT, True),
    ("late", GrantKind.GOODWILL, Bearer.PLATFORM, False),
    ("buyer_complaint", GrantKind.GOODWILL, Bearer.PLATFORM, False),
    ("price_fell", GrantKind.PRICE_PROTECTION, Bearer.MERCHANT, False),
    ("damage", GrantKind.COMPENSATION, Bearer.PLATFORM, False),
)


@transaction.atomic
def install_defaults() -> None:
    """Give a new installation its reasons, and roles with their limits; does nothing where there are any."""
    if not GrantReason.objects.exists():
        GrantReason.objects.bulk_create(
            GrantReason(code=code, kind=kind, bearer=bearer, gives_freight_back=gives_freight_back)
            for code, kind, bearer, gives_freight_back in _REASONS
        )
    if not GrantLimit.objects.exists():
        right = Permission.objects.get(codename="grant_refund", content_type__app_label="payments")
        for name, single, daily, alone in _ROLES:
            group, is_new = Group.objects.get_or_create(name=name)
            if is_new:
                group.permissions.add(right)
            GrantLimit.objects.create(group=group, single_amount=single, daily_amount=daily, alone_up_to=alone)
