"""What staff do to a row by a small form: one mechanism for every page that does so.

By POST only, by a right, with a form; a message, and back to the page. What is refused did nothing, and what was typed
stands in its form again. Whose session ended meanwhile logs in first and finds the same (`oms.common.logging_in`).

Nothing is locked here. What is done gets the id of the row, and reads and locks it by itself: the page's row is stale.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse

from oms.common import typed
from oms.common.desk.lists import KeysetAdmin
from oms.common.errors import ChangedMeanwhile, OmsError

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

INPUT = {"class": "oms-input"}
# A form in an open dialog says by this header that it wants to be told what is wrong as data: the dialog stays open.
IN_DIALOG = "X-Oms-Dialog"

Do = Callable[[HttpRequest, int, dict[str, Any]], HttpResponse | str]


class RowForm(forms.Form):
    """A form that offers what fits the row; what was sent is checked by what is done."""

    def fit(self, row: Any) -> None:
        """Leave of the choices what fits the row."""


class VersionForm(forms.Form):
    """Carries the version of the row that the person looked at."""

    version = forms.IntegerField(widget=forms.HiddenInput)


def act(
    request: HttpRequest,
    do: Callable[[dict[str, Any]], HttpResponse | str],
    *,
    may: bool,
    page: str | Callable[[], str],
    form_class: type[forms.Form] = forms.Form,
) -> HttpResponse:
    """Do it with the cleaned form where the person may, and show what it answers: a page, or a message on the `page`,
    which is asked for afterwards where it depends on what was done.

    Raises PermissionDenied, and Http404 where what it is about is not there.
    """
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    if not may:
        raise PermissionDenied
    form = form_class(request.POST, request.FILES)
    wrong: list[str] = []
    is_stale = False
    is_in_dialog = IN_DIALOG in request.headers
    try:
        if form.is_valid():
            answer = do(form.cleaned_data)
            if isinstance(answer, HttpResponse):
                return answer
            messages.success(request, answer)
        else:
            wrong = errors_of(form)
    except OmsError as refusal:
        wrong = [str(refusal)]
        # The page behind the dialog is old: it is shown anew, with what was typed in its dialog again.
        is_stale = isinstance(refusal, ChangedMeanwhile)
    except ObjectDoesNotExist as error:
        raise Http404 from error
    if wrong and is_in_dialog and not is_stale:
        return JsonResponse({"errors": wrong}, status=400)
    if wrong:
        for text in wrong:
            messages.error(request, text)
        typed.keep(request, typed.of(request))
    address = page if isinstance(page, str) else page()
    return JsonResponse({"location": address}) if is_in_dialog else redirect(address)


def errors_of(form: forms.Form) -> list[str]:
    """What is wrong with the form, each field by its label."""
    said = []
    for field, errors in form.errors.get_json_data().items():
        text = " ".join(error["message"] for error in errors)
        label = form.fields[field].label or field if field in form.fields else ""
        said.append(f"{label}: {text}" if label else text)
    return said


def tell_errors(request: HttpRequest, form: forms.Form) -> None:
    """Say by messages what is wrong with the form."""
    for text in errors_of(form):
        messages.error(request, text)


@dataclass(frozen=True, slots=True)
class RowAction:
    """Something that may be done to one row of a list on its page.

    `name` is the end of its address; `right` is what it needs beside the right to see the row; `do` gets the row's id
    and the cleaned form, and returns what it did in words, or a page. `initial` says what of the row the form begins
    with; a field `version` begins with the row's by itself.
    """

    name: str
    right: str
    label: "str | _StrPromise"
    do: Do
    form: type[forms.Form] = forms.Form
    tone: str = ""  # of the button: primary, danger-line or none
    icon: str = ""
    hint: "str | _StrPromise" = ""
    initial: Callable[[Any], Mapping[str, Any]] | None = None


@dataclass(frozen=True, slots=True)
class ShownAction:
    """An action as `admin/row_action.html` draws it."""

    action: RowAction
    address: str
    form: forms.Form


class RowActions(KeysetAdmin):
    """A page of a row with actions, each with an address of its own; its template draws `row_actions`."""

    row_actions: Sequence[RowAction] = ()
    change_form_outer_after_template: str | None = "admin/row_actions.html"

    def fitting_actions(self, row: Any) -> Collection[str]:
        """The names of the actions that make sense for the row as it is now; all unless a subclass chooses."""
        return [action.name for action in self.row_actions]

    def get_urls(self) -> list[URLPattern]:
        """Each action has its own address."""
        wrap = self.admin_site.admin_view
        own = [
            path(
                f"<int:row_id>/{action.name.replace('_', '-')}/",
                wrap(partial(self._act, action)),
                name=f"{self._name}_{action.name}",
            )
            for action in self.row_actions
        ]
        return own + super().get_urls()

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The row, with the actions that fit it and that the person may take."""
        row = self.get_object(request, object_id)
        fitting = self.fitting_actions(row) if row is not None else ()
        shown = [
            self._shown(action, row)
            for action in self.row_actions
            if action.name in fitting and request.user.has_perm(action.right)
        ]
        return super().change_view(request, object_id, form_url, {"row_actions": shown, **(extra_context or {})})

    @property
    def _name(self) -> str:
        return f"{self.opts.app_label}_{self.opts.model_name}"

    def _shown(self, action: RowAction, row: Model) -> ShownAction:
        initial = {"version": getattr(row, "version", None), **(action.initial(row) if action.initial else {})}
        address = reverse(f"{self.admin_site.name}:{self._name}_{action.name}", args=[row.pk])
        form = action.form(initial=initial, auto_id=f"{action.name}-%s")
        if isinstance(form, RowForm):
            form.fit(row)
        return ShownAction(action, address, form)

    def _act(self, action: RowAction, request: HttpRequest, row_id: int) -> HttpResponse:
        def do(data: dict[str, Any]) -> HttpResponse | str:
            if self.get_object(request, str(row_id)) is None:
                raise Http404
            return action.do(request, row_id, data)

        return act(
            request,
            do,
            may=self.has_view_permission(request) and request.user.has_perm(action.right),
            page=lambda: self.page_after(request, row_id),
            form_class=action.form,
        )

    def page_after(self, request: HttpRequest, row_id: int) -> str:
        """Where one comes after an action: the row's page. A subclass whose actions take rows away says where then."""
        return reverse(f"{self.admin_site.name}:{self._name}_change", args=[row_id])
