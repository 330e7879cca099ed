"""What the database refuses of a person's form is told in words, with a remedy, never by the constraint's name."""

from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.contrib.admin import site
from django.contrib.auth import get_user_model
from django.db.models import BaseConstraint, CheckConstraint, F, Model, Q, UniqueConstraint
from django.db.models.expressions import Combinable
from django.test import RequestFactory
from django.utils import translation

OURS = {"common", "merchants", "inventory", "orders", "payments", "logistics"}


def _columns(condition: Any) -> set[str]:
    """The model's fields that a condition reads."""
    if isinstance(condition, Q):
        return {name for child in condition.children for name in _columns(child)}
    if isinstance(condition, tuple) and isinstance(condition[0], str):
        return {condition[0].split("__")[0], *_columns(condition[1])}
    if isinstance(condition, F):
        return {condition.name.split("__")[0]}
    if isinstance(condition, Combinable) and hasattr(condition, "get_source_expressions"):
        return {name for source in condition.get_source_expressions() for name in _columns(source)}
    return set()


def _forms() -> Iterator[tuple[type[Model], type[forms.BaseForm]]]:
    """Each form in which staff enter or change rows of ours, with its model."""
    request = RequestFactory().get("/")
    request.user = get_user_model()(username="boss", is_superuser=True, is_staff=True)
    for model, admin in site._registry.items():
        if model._meta.app_label not in OURS:
            continue
        if admin.has_add_permission(request):
            yield model, admin.get_form(request)
        if admin.has_change_permission(request):
            yield model, admin.get_form(request, None, change=True)
        for inline in admin.get_inline_instances(request):
            yield inline.model, inline.get_formset(request).form


def _reaches(form: type[forms.BaseForm], constraint: BaseConstraint) -> bool:
    """Whether what is entered in the form can break the constraint: Django checks what stands in the form whole."""
    if isinstance(constraint, CheckConstraint):
        read = _columns(constraint.condition)
    elif isinstance(constraint, UniqueConstraint):
        # Django says by itself which fields exist together already, unless there is a condition.
        read = {*constraint.fields, *_columns(constraint.condition)} if constraint.condition is not None else set()
    else:
        read = set()
    if not read or not read <= set(form.base_fields):
        return False
    # What is chosen of a list is refused beside its field.
    return not all(isinstance(form.base_fields[name], forms.ChoiceField) for name in read)


def _touches(form: type[forms.BaseForm], constraint: BaseConstraint) -> bool:
    """Whether what is entered in the form can break the check with what stands elsewhere."""
    if not isinstance(constraint, CheckConstraint):
        return False  # Uniqueness has words of Django's, or its own.
    read = _columns(constraint.condition)
    # The choices of one field are a list that its form knows.
    return bool(read & set(form.base_fields)) and not constraint.name.endswith(("_known", "_is_of_a_scan"))


@pytest.mark.django_db
def test_what_only_saving_refuses_has_words() -> None:
    touched = {one.name: one for model, form in _forms() for one in model._meta.constraints if _touches(form, one)}
    assert len(touched) > 70

    wordless = {
        name for name, one in touched.items() if one.violation_error_message == one.default_violation_error_message
    }

    assert wordless == set()


def _wordless() -> set[str]:
    return {
        constraint.name
        for model, form in _forms()
        for constraint in model._meta.constraints
        if _reaches(form, constraint)
        and constraint.violation_error_message == constraint.default_violation_error_message
    }


@pytest.mark.django_db
def test_no_form_shows_the_name_of_a_constraint() -> None:
    assert len(list(_forms())) > 60

    assert _wordless() == set()


@pytest.mark.django_db
def test_the_words_are_there_in_chinese_too() -> None:
    said = {
        constraint.violation_error_message
        for model, form in _forms()
        for constraint in model._meta.constraints
        if _reaches(form, constraint)
    }
    assert len(said) > 40

    with translation.override("zh-hans"):
        chinese = {str(text) for text in said}
    with translation.override("en"):
        assert [text for text in said if str(text) in chinese] == []
