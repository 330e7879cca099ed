"""Amounts, as all of them are shown."""

from typing import Any

from rest_framework import serializers


def money_field(**options: Any) -> serializers.DecimalField:
    """An amount in yuan with two places."""
    return serializers.DecimalField(12, 2, **options)
