"""What rows of the promise's tables name that is no row they refer to: carriers and cities by their words, and hours of
a day. One that nobody knows would never be found, without a word."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from django.utils.translation import gettext as _

from inventory.models import AppointmentSlot, Region
from inventory.promising.cells import Misread

_directories: list[Callable[[], Sequence[str]]] = []


def register_carriers(directory: Callable[[], Sequence[str]]) -> None:
    """Let an upper app say by which codes it knows carriers."""
    _directories[:] = [directory]


def carriers() -> Mapping[str, str]:
    """The codes by which carriers are known, and none, which stands for all."""
    return {"": "", **{code: code for directory in _directories for code in directory()}}


def carrier(code: str) -> str:
    """The code of a carrier that is known; any, as long as none is. Raises Misread."""
    known = carriers()
    if code in known or len(known) == 1:
        return code
    shown = ", ".join(filter(None, known))
    raise Misread(_("There is no “%(text)s”. Known ones: %(known)s.") % {"text": code[:60], "known": shown})


def cities() -> Mapping[str, str]:
    """The cities that addresses have, and the sign of all others."""
    names = Region.objects.order_by().values_list("city", flat=True).distinct()
    return {AppointmentSlot.EVERYWHERE: AppointmentSlot.EVERYWHERE, **{name: name for name in names}}


def city(name: str) -> str:
    """A city as addresses have it, or the sign of all others; any, as long as no county is known. Raises Misread."""
    known = cities()
    if name in known or len(known) == 1:
        return name
    detail = _("No county lies in a city called “%(text)s”. Write it as addresses have it, such as 北京市, or *.")
    raise Misread(detail % {"text": name[:60]})


def overlapping(slot: AppointmentSlot, others: Iterable[AppointmentSlot]) -> AppointmentSlot | None:
    """One of the other active slots that has hours of the same city in common with it, if any does."""
    for one in others:
        if one.is_active and one.city == slot.city and one.starts_at < slot.ends_at and slot.starts_at < one.ends_at:
            return one
    return None


def overlap_words(other: AppointmentSlot) -> str:
    """That hours are those of another slot already."""
    return _("These hours overlap %(hours)s of the same city. Switch that slot off first.") % {"hours": other.hours}
