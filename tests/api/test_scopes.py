"""No operation of the merchants' API is open without a scope."""

from django.core.checks import run_checks

from oms.merchants.calls import checks, scopes
from oms.merchants.calls.views import MerchantView
from orders.api.orders import OrdersView


def test_every_operation_names_a_known_scope():
    views = set(checks.merchant_views())
    assert OrdersView in views
    assert checks.check_scopes() == []


def test_an_operation_without_a_scope_is_found_before_anything_starts(monkeypatch):
    monkeypatch.setattr(OrdersView, "scopes", {"GET": scopes.ORDERS_READ, "POST": "nonsense"})
    (error,) = [error for error in run_checks() if error.id == "merchants.E001"]
    assert "POST" in error.msg


def test_creating_takes_a_key_unless_a_view_says_otherwise():
    assert MerchantView.requires_idempotency_key
