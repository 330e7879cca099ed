"""Every form of the admin has on its page what it asks for: else nobody could save it, and nobody would learn why."""

import pytest
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets
from django.db.models import Model
from django.test import RequestFactory

from tests import factories

pytestmark = pytest.mark.django_db


def row_of(model: type[Model]) -> Model:
    """A row as if it were there, of rows that are."""
    row = model(pk=1)
    for field in model._meta.concrete_fields:
        if field.is_relation and not field.null:
            setattr(row, field.name, field.related_model(pk=1))
    return row


@pytest.mark.parametrize("exists", [False, True])
def test_no_form_wants_what_its_page_does_not_show(exists: bool) -> None:
    request = RequestFactory().get("/")
    request.user = factories.UserFactory(is_superuser=True)
    hidden = []
    for model, page in admin.site._registry.items():
        row = row_of(model) if exists else None
        may = page.has_change_permission(request, row) if exists else page.has_add_permission(request)
        if not may:
            continue
        form = page.get_form(request, row, change=exists)(instance=row)
        shown = flatten_fieldsets(page.get_fieldsets(request, row))
        hidden += [
            f"{model.__name__}.{name}" for name, one in form.fields.items() if one.required and name not in shown
        ]
    assert hidden == []
