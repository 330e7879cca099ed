"""The staff's pages of the lists that review rules look into."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from oms.common.desk.acting import RowAction, RowActions
from oms.common.desk.lists import KeysetAdmin, staff_actor_name
from oms.common.files import tables
from orders.models import ReviewList, ReviewListEntry
from orders.reviewing import listing

# Of the rows that are wrong so many are named.
MOST_TOLD = 20


class SheetForm(forms.Form):
    """Asks for a sheet."""

    file = forms.FileField(label=gettext_lazy("File"))


def _import(request: HttpRequest, list_id: int, data: dict[str, Any]) -> str:
    review_list = ReviewList.objects.get(pk=list_id)
    known = [header for headers in listing.HEADERS.values() for header in headers]
    filled = listing.fill(review_list, tables.read_upload(data["file"], known), by=staff_actor_name(request))
    for number, text in list(filled.wrong.items())[:MOST_TOLD]:
        messages.error(request, _("Row %(number)d: %(text)s") % {"number": number, "text": text})
    if len(filled.wrong) > MOST_TOLD:
        messages.error(request, _("%(count)d rows are wrong in all.") % {"count": len(filled.wrong)})
    text = ngettext("One row was taken.", "%(count)d rows were taken.", filled.kept)
    return text % {"count": filled.kept}


@admin.register(ReviewList)
class ReviewListAdmin(RowActions):
    """Lists; their entries have a list of their own."""

    may_add = may_change = True
    keyset = ("id",)
    list_display = ("title", "code", "kind")
    fields = ("code", "name", "kind")
    row_actions = (
        RowAction(
            "import",
            "orders.add_reviewlistentry",
            gettext_lazy("Import a sheet"),
            _import,
            form=SheetForm,
            icon="upload",
            hint=gettext_lazy(
                "Columns: value (phone, buyer or word), or region code and address; kind, reason, source, expires."
            ),
        ),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """What rules and entries refer to never changes."""
        return ("code", "kind") if obj else ()

    @display(description=gettext_lazy("list"))
    def title(self, row: ReviewList) -> str:
        """What it is called."""
        return str(row)


@admin.register(ReviewListEntry)
class ReviewListEntryAdmin(KeysetAdmin):
    """What stands on the lists."""

    may_add = may_change = may_delete = True
    search_fields = ("phone", "text")
    search_help_text = gettext_lazy("Phone, buyer or word")
    list_display = ("__str__", "review_list", "kind", "reason", "source", "expires_at", "is_active", "created_at")
    list_select_related = ("review_list",)
    list_filter = (("review_list", RelatedDropdownFilter), ("kind", ChoicesDropdownFilter), "is_active")
    readonly_fields: ClassVar[tuple[str, ...]] = ("created_at", "created_by")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """A new one has no history yet."""
        fields = (("review_list", "kind"), "phone", ("region_code", "address"), "text", ("reason", "source"))
        return (*fields, ("expires_at", "is_active"), *((self.readonly_fields,) if obj else ()))

    def save_model(self, request: HttpRequest, obj: ReviewListEntry, form: Any, change: bool) -> None:
        """Who entered it is kept."""
        if not change:
            obj.created_by = staff_actor_name(request)
        super().save_model(request, obj, form, change)
