"""The staff's pages on what connected systems told us: look, apply again, discard."""

from collections.abc import Callable, Collection
from typing import Any

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import action, display

from oms.common import fact_words
from oms.common.desk.acting import RowAction, RowActions
from oms.common.desk.connections import shown_json
from oms.common.desk.lists import NeedsPersonFilter, RowColumns, staff_actor_name
from oms.common.errors import OmsError
from oms.common.models import FactState, InboundFact
from oms.common.work import callbacks, facts_by_hand

RIGHT = "common.replay_inboundfact"


def _replay(request: HttpRequest, row_id: int, _data: dict[str, Any]) -> str:
    """Apply a message again."""
    callbacks.replay(row_id, by=staff_actor_name(request)[:80])
    return _("It is applied again in a moment.")


def _discard(request: HttpRequest, row_id: int, _data: dict[str, Any]) -> str:
    """Let a message count for nothing."""
    facts_by_hand.discard(row_id, by=staff_actor_name(request)[:80])
    return _("It counts for nothing now.")


class InboundFactAdmin(RowColumns, RowActions):
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
    row_actions = (
        RowAction("discard", RIGHT, gettext_lazy("Discard"), _discard, tone="danger-line"),
        RowAction("replay", RIGHT, gettext_lazy("Apply again"), _replay, tone="primary", icon="replay"),
    )

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
        return request.user.has_perm(RIGHT)

    def fitting_actions(self, row: InboundFact) -> Collection[str]:
        """What waits is discarded, or tried again once it needs a person; what is settled is applied again."""
        if row.state != FactState.PENDING:
            return ("replay",)
        return ("discard", "replay") if row.needs_person_since else ("discard",)

    @action(description=gettext_lazy("Apply the selected messages again"), permissions=["replay"])
    def replay_selected(self, request: HttpRequest, queryset: QuerySet[InboundFact]) -> None:
        """Each by itself; a message says what could not be."""
        self._each(request, queryset, callbacks.replay)

    @action(description=gettext_lazy("Discard the selected messages"), permissions=["replay"])
    def discard_selected(self, request: HttpRequest, queryset: QuerySet[InboundFact]) -> None:
        """Each by itself; a message says what could not be."""
        self._each(request, queryset, facts_by_hand.discard)

    @staticmethod
    def _each(request: HttpRequest, queryset: QuerySet[InboundFact], do: Callable[..., None]) -> None:
        for fact in queryset.order_by("pk"):
            try:
                do(fact.pk, by=staff_actor_name(request)[:80])
            except OmsError as refusal:
                messages.error(request, f"{fact}: {refusal}")
            else:
                messages.success(request, _("%(message)s: done.") % {"message": fact})
