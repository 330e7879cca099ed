"""The pages of a promise's table as a file: download it, upload it with a result for every row."""

from collections import Counter
from collections.abc import Callable
from io import BytesIO
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _

from inventory.promising import calendar_watch, naming
from inventory.promising.cells import Misread
from inventory.promising.known_sheets import BY_MODEL
from inventory.promising.sheets import Outcome, RowResult, Sheet, export_rows, import_rows, lacks
from oms.common.desk.lists import KeysetAdmin
from oms.common.files import tables

# So many rows of a result are shown; the wrong ones come first.
MOST_SHOWN = 200


class UploadForm(forms.Form):
    """A table."""

    file = forms.FileField()


class RowForm(forms.ModelForm):
    """A row of a table; what it names anew must be known, as in a file."""

    def clean_carrier(self) -> str:
        """The code of a carrier that there is."""
        return self._known("carrier", naming.carrier)

    def clean_city(self) -> str:
        """A city that addresses have."""
        return self._known("city", naming.city)

    def _known(self, name: str, read: Callable[[str], str]) -> str:
        value: str = self.cleaned_data[name]
        try:
            return read(value) if name in self.changed_data else value
        except Misread as misread:
            raise forms.ValidationError(str(misread)) from misread


class SheetAdmin(KeysetAdmin):
    """A list that staff edit row by row or as a file. Who may add and change rows may upload them."""

    form = RowForm

    may_add = may_change = may_delete = True
    change_list_template = "admin/inventory/sheet_list.html"
    has_file: ClassVar[bool] = True

    @property
    def sheet(self) -> Sheet:
        """The table as a file."""
        return BY_MODEL[self.model]

    def get_urls(self) -> list[URLPattern]:
        """The pages of the file, before those of the rows."""
        if not self.has_file:
            return super().get_urls()
        wrap, name = self.admin_site.admin_view, self._name
        return [
            path("file/", wrap(self.file_view), name=f"{name}_file"),
            path("file/table.csv", wrap(self.export_view), name=f"{name}_export"),
            *super().get_urls(),
        ]

    @property
    def _name(self) -> str:
        return f"{self.model._meta.app_label}_{self.model._meta.model_name}"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with the way to its file."""
        link = reverse(f"admin:{self._name}_file") if self.has_file and self._may_import(request) else ""
        export = reverse(f"admin:{self._name}_export") if self.has_file else ""
        return super().changelist_view(request, {"file_link": link, "export_link": export, **(extra_context or {})})

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """The whole table as CSV, in the form in which it can be imported."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        file = BytesIO()
        table = tables.writer("csv", file, self.sheet.headers)
        for row in export_rows(self.sheet):
            table.write(row)
        table.close()
        answer = HttpResponse(file.getvalue(), content_type="text/csv; charset=utf-8")
        answer["Content-Disposition"] = f'attachment; filename="{self.sheet.name}.csv"'
        return answer

    def file_view(self, request: HttpRequest) -> HttpResponse:
        """Upload a file, and see what came of every row."""
        if not self._may_import(request):
            raise PermissionDenied
        form = UploadForm(request.POST or None, request.FILES or None)
        error, results, unknown = "", None, []
        if request.method == "POST" and form.is_valid():
            try:
                table = tables.read_upload(form.cleaned_data["file"])
                unknown = [header for header in table.headers if header and header not in self.sheet.headers]
                if missing := lacks(self.sheet, table.headers):
                    text = _("The file lacks the columns that say what a row is about: %(columns)s.")
                    error = text % {"columns": ", ".join(missing)}
                else:
                    results = self._import(table)
            except tables.UnreadableFile as refusal:
                error = str(refusal)
        counts = Counter(result.outcome for result in results or ())
        context = {
            **self.admin_site.each_context(request),
            "title": self.model._meta.verbose_name_plural,
            "opts": self.model._meta,
            "headers": self.sheet.headers,
            "error": error,
            "has_results": results is not None,
            "unknown": unknown,
            "shown": sorted(results or (), key=lambda result: not result.errors)[:MOST_SHOWN],
            "added": counts[Outcome.ADDED],
            "changed": counts[Outcome.CHANGED],
            "refused": counts[Outcome.REFUSED],
            "list_link": reverse(f"admin:{self._name}_changelist"),
            "export_link": reverse(f"admin:{self._name}_export"),
        }
        return TemplateResponse(request, "admin/inventory/sheet.html", context)

    def _import(self, table: tables.Table) -> list[RowResult]:
        rows = ((number, dict(zip(table.headers, cells, strict=True))) for number, cells in table.rows)
        results = import_rows(self.sheet, rows)
        calendar_watch.look()
        return results

    def _may_import(self, request: HttpRequest) -> bool:
        return self.has_add_permission(request) and self.has_change_permission(request)
