"""How long each step may take: far provinces stretch it, and scans of the lane say what is usual."""

from datetime import timedelta

import pytest
from django.contrib.admin import site

from logistics.admin.watching import LearnedDeadlineAdmin
from logistics.models import AlertKind, DeadlineStretch, LearnedDeadline, ShipmentState
from logistics.watching import defaults, limits
from logistics.watching.limits import Lane
from logistics.watching.steps import ParcelAt, of_parcel
from tests import steps

pytestmark = pytest.mark.django_db


def test_far_provinces_stretch_what_happens_on_the_way():
    defaults.install_default_deadlines()
    known, since = limits.current(), steps.NOON

    for area, factor in (("540102", 2.0), ("650102", 2.0), ("630102", 1.5), ("150102", 1.5), ("460105", 1.5)):
        assert known.factor(AlertKind.STALLED, Lane("ZTO", "330106", area), since) == factor
        assert known.factor(AlertKind.PICKUP_TIMEOUT, Lane("ZTO", "330106", area), since) == 1.0
    assert known.factor(AlertKind.STALLED, Lane("ZTO", "330106", "110101"), since) == 1.0


@pytest.mark.parametrize(("learned", "counts"), [(30.0, 30.0), (5.0, 12.0), (100.0, 48.0)])
def test_what_was_learned_counts_between_half_and_double_the_table(learned, counts):
    lane = Lane("ZTO", "330106", "110101")
    LearnedDeadline.objects.create(
        kind="stalled", carrier="ZTO", origin="33", destination="11", hours=learned, parcels=30, learned_at=steps.NOON
    )

    limit = limits.current().of(AlertKind.STALLED, lane)

    assert (limit.warning, limit.critical) == (counts, 48.0)
    assert limits.current().of(AlertKind.STALLED, Lane("STO", "330106", "110101")).warning == 24


@pytest.mark.parametrize(("learned", "counts"), [(60.0, 60.0), (5.0, 24.0), (200.0, 96.0)])
def test_what_was_learned_of_a_far_province_is_not_stretched_once_more(learned, counts):
    defaults.install_default_deadlines()
    lane, since = Lane("ZTO", "330106", "540102"), steps.NOON
    row = LearnedDeadline.objects.create(
        kind="stalled", carrier="ZTO", origin="33", destination="54", hours=learned, parcels=30, learned_at=since
    )
    parcel = ParcelAt(ShipmentState.IN_TRANSIT, lane, since, is_packed=True, last_scan_at=since)

    (warning,) = (one for one in of_parcel(parcel, limits.current()).steps if (one.kind, one.level) == ("stalled", 1))
    assert warning.at - since == timedelta(hours=counts)
    assert LearnedDeadlineAdmin(LearnedDeadline, site).counts(row) == f"{counts:.1f}"

    # A festival stretches what was learned, too.
    DeadlineStretch.objects.create(area="54", factor=3.0, starts_on=since.date(), ends_on=since.date())
    (warning,) = (one for one in of_parcel(parcel, limits.current()).steps if (one.kind, one.level) == ("stalled", 1))
    assert warning.at - since == timedelta(hours=1.5 * counts)


def test_within_a_province_a_parcel_is_signed_for_sooner():
    known = limits.current()

    assert known.of(AlertKind.SIGN_TIMEOUT, Lane("ZTO", "330106", "330201")).warning == 72
    assert known.of(AlertKind.SIGN_TIMEOUT, Lane("ZTO", "330106", "110101")).warning == 120
    assert known.of(AlertKind.SIGN_TIMEOUT, Lane("SF", "330106", "330201")).warning == 72
