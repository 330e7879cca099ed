"""Reasons of dates in words, for staff."""

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext_lazy as _

SENTENCES = {
    "cutoff_met": _("Leaves with the cut-off %(cutoff)s of %(day)s."),
    "cutoff_missed": _("The cut-off %(cutoff)s was over; it leaves on %(day)s."),
    "closed": _("Nobody works that day; it leaves with the cut-off %(cutoff)s of %(day)s."),
    "day_full": _("The warehouse has no room left that day; it leaves with the cut-off %(cutoff)s of %(day)s."),
    "slot_full": _("There was no room left in the hours that were wished for."),
    "within_minutes": _("It arrives within %(minutes)s minutes."),
    "by_hour": _("It arrives %(days)s days after by %(hour)s."),
    "lane_days": _("On this lane half arrive within %(half)s days, 95 %% within %(days)s."),
    "extra_days": _("%(days)s more days for the area."),
    "area_suspended": _("The area is suspended until %(until)s."),
    "provisional_calendar": _("The holidays of %(year)s are not known yet."),
    "no_warehouse": _("There is no such warehouse."),
    "not_served": _("Nobody delivers to the area %(area)s."),
    "no_lane": _("There is no lane to there."),
    "remote_area": _("The area %(area)s is remote."),
    "never_works": _("Warehouse and carrier never work on the same day."),
    "other_city": _("Only within %(city)s."),
    "too_far": _("%(km)s km are more than %(most)s."),
    "no_same_day": _("The warehouse sends nothing on the same day."),
    "carrier_rests": _("The carrier does not work on %(day)s."),
    "holiday": _("Not on the holiday %(day)s."),
    "no_carrier": _("No carrier takes such goods."),
    "no_level": _("No such service level is sold."),
    "no_rate": _("%(carrier)s does not go there."),
    "too_heavy": _("Too heavy for %(carrier)s."),
    "too_long": _("Too long for %(carrier)s."),
    "no_cod": _("No carrier collects cash for it."),
    "merchant_takes_no_cod": _("%(merchant)s does not sell for cash on delivery."),
    "nothing_to_deliver": _("Nothing of it is delivered."),
    "other_merchant": _("It is of another merchant: %(merchant)s."),
    "other_storage_class": _("Its storage class is another."),
    "other_warehouse": _("It lies in another warehouse: %(warehouse)s."),
    "split_rule": _("A split rule lets it travel apart."),
    "awaits_receipt": _("Its goods are on order or on their way, and come on %(expected_on)s."),
}


class _Values(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "–"


def sentence(reason: Mapping[str, Any]) -> str:
    """A stored reason (a code with values) in the active language; one that nobody knows as its code."""
    code = str(reason.get("code", ""))
    text = SENTENCES.get(code)
    values = _Values(reason)
    return str(text) % values if text is not None else code
