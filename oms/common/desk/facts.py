"""The staff's pages on what connected systems told us: look, apply again, discard."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display

from oms.common import fact_words
from oms.common.desk.connections import shown_json
from oms.common.desk.lists import KeysetAdmin, NeedsPersonFilter, RowColumns, staff_actor_name
from oms.common.errors import OmsError
from oms.common.models import FactState, InboundFact
from oms.common.work import callbacks, facts


class InboundFactAdmin(RowColumns, KeysetAdmin):
    """What connected systems told us, as it came. Staff apply a message again once a cause is gone, or discard it."""

    search_fields = ("subject", "fact_key")
    search_help_text = gettext_lazy("Number that it is about, or key")
    list_display = (
        "__str__",
        "connection_link",
        "state_label",
        "occurred_at",
        "received_at",
        "outcome_words",
        "error_text",
    )
    list_filter = (
        ("connection", RelatedDropdownFilter),
        ("topic", ChoicesDropdownFilter),
        ("state", ChoicesDropdownFilter),
        NeedsPersonFilter,
    )
    fields = (
        ("subject", "kind_words"),
        ("connection_link", "fact_key"),
        ("state_label", "outcome_words"),
        ("occurred_at", "received_at"),
        ("settled_at", "attempts"),
        "last_error",
        "body_text",
    )
    readonly_fields = sum(((row,) if isinstance(row, str) else row for row in fields), ())
    actions = ("replay_selected", "discard_selected")
    change_form_outer_after_template = "admin/common/inboundfact/row_actions.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[InboundFact]:
        """Without the sealed messages, which no page shows."""
        return super().get_queryset(request).select_related("connection").defer("raw", "connection__credentials")

    @display(description=gettext_lazy("connection"))
    def connection_link(self, fact: InboundFact) -> SafeString:
        """Who told it."""
        address = reverse("admin:common_connection_change", args=[fact.connection_id])
        return format_html('<a href="{}">{}</a>', address, fact.connection)

    @display(description=gettext_lazy("kind"))
    def kind_words(self, fact: InboundFact) -> str:
        """What was said."""
        return fact.kind_words

    @display(description=gettext_lazy("outcome"))
    def outcome_words(self, fact: InboundFact) -> str:
        """What came of it, beside the state."""
        return fact_words.OUTCOMES.word(fact.outcome) or "–"

    @display(description=gettext_lazy("content"))
    def body_text(self, fact: InboundFact) -> SafeString:
        """What the adapter understood."""
        return shown_json(fact.body)

    # --- Actions

    def has_replay_permission(self, request: HttpRequest) -> bool:
        """Its own right."""
        return request.user.has_perm("common.replay_inboundfact")

    def get_urls(self) -> list[URLPattern]:
        """Each action has its own address."""
        wrap, name = self.admin_site.admin_view, "common_inboundfact"
        return [
            path("<int:row_id>/replay/", wrap(self.replay_view), name=f"{name}_replay"),
            path("<int:row_id>/discard/", wrap(self.discard_view), name=f"{name}_discard"),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The message, and what may be done with it."""
        fact = self.get_object(request, object_id)
        may = fact is not None and self.has_replay_permission(request)
        waits = may and fact.state == FactState.PENDING
        shown = {"fact": fact, "may_replay": may and (not waits or fact.needs_person_since), "may_discard": waits}
        return super().change_view(request, object_id, form_url, {**shown, **(extra_context or {})})

    def replay_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Apply it again."""
        return self._act(request, row_id, callbacks.replay, _("It is applied again in a moment."))

    def discard_view(self, request: HttpRequest, row_id: int) -> HttpResponse:
        """Let it count for nothing."""
        return self._act(request, row_id, facts.discard, _("It counts for nothing now."))

    @action(description=gettext_lazy("Apply the selected messages again"), permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[InboundFact]) -> None:
        """Each by itself; a message says what could not be."""
        self._each(request, queryset, callbacks.replay)

    @action(description=gettext_lazy("Discard the selected messages"), permissions=["replay"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[InboundFact]) -> None:
        """Each by itself; a message says what could not be."""
        self._each(request, queryset, facts.discard)

    @staticmethod
    def _each(request: HttpRequest, queryset: QuerySet[InboundFact], do: Callable[..., None]) -> None:
        for fact in queryset.order_by("pk"):
            try:
                do(fact.pk, by=staff_actor_name(request)[:80])
            except OmsError as refusal:
                messages.error(request, f"{fact}: {refusal}")
            else:
                messages.success(request, _("%(message)s: done.") % {"message": fact})

    def _act(self, request: HttpRequest, row_id: int, do: Callable[..., None], done: str) -> HttpResponse:
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self.has_replay_permission(request)):
            raise PermissionDenied
        try:
            do(row_id, by=staff_actor_name(request)[:80])
        except OmsError as refusal:
            messages.error(request, str(refusal))
        except InboundFact.DoesNotExist as error:
            raise Http404 from error
        else:
            messages.success(request, done)
        return redirect(reverse("admin:common_inboundfact_change", args=[row_id]))
