"""Filters of the API that know no business."""

from datetime import UTC, datetime

from django.core.exceptions import ValidationError
from django_filters import IsoDateTimeFilter
from django_filters.fields import IsoDateTimeField


class _MomentField(IsoDateTimeField):
    def to_python(self, value: object) -> datetime | None:
        """A time that the database can hold in every time zone, without a displacement that only Python knows."""
        moment = super().to_python(value)
        if moment and not 1900 <= moment.year <= 9000:
            raise ValidationError(self.error_messages["invalid"], code="invalid")
        return moment.astimezone(UTC) if moment else moment


class MomentFilter(IsoDateTimeFilter):
    """Compares a time in ISO 8601; one without a zone is taken as the server's."""

    field_class = _MomentField
