"""The check that no operation of the merchants' API is open without a scope."""

from collections.abc import Iterator
from typing import Any

from django.core.checks import CheckMessage, Error
from django.urls import URLPattern, URLResolver, get_resolver

from oms.merchants.calls.scopes import LABELS
from oms.merchants.calls.views import MerchantView

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def merchant_views() -> Iterator[type[MerchantView]]:
    """Every view of the address table that stands on MerchantView."""
    pending: list[Any] = [get_resolver()]
    while pending:
        entry = pending.pop()
        if isinstance(entry, URLResolver):
            pending.extend(entry.url_patterns)
        elif isinstance(entry, URLPattern):
            view = getattr(entry.callback, "cls", None)
            if isinstance(view, type) and issubclass(view, MerchantView):
                yield view


def check_scopes(**_: object) -> list[CheckMessage]:
    """An error for each method of a merchant's view that names no known scope, and for a view that goes too soon."""
    errors: list[CheckMessage] = []
    for view in merchant_views():
        for method in METHODS:
            if hasattr(view, method.lower()) and view.scopes.get(method) not in LABELS:
                hint = "Name one of oms.merchants.calls.scopes for the method in the view's `scopes`."
                errors.append(
                    Error(f"{view.__name__} has no known scope for {method}.", hint, obj=view, id="merchants.E001")
                )
        if view.deprecated is not None and not view.deprecated.is_long_enough:
            hint = "Callers have six months: see docs/guides/en/changes.md."
            text = f"{view.__name__} goes too soon after its announcement."
            errors.append(Error(text, hint, obj=view, id="merchants.E002"))
    return errors
