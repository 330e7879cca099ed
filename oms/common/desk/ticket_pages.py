"""The staff's pages of tickets: each action its own address and right, by POST only."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import ObjectDoesNotExist, PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.decorators import action

from oms.common import stuck, ticketing, tickets
from oms.common.desk import list_tools, ticket_queue
from oms.common.desk.acting import tell_errors
from oms.common.desk.lists import KeysetAdmin
from oms.common.desk.ticket_actions import ACTIONS, ASSIGN, VIEW, WORK, ResultForm, TicketAction, workers
from oms.common.desk.ticket_list import CLOSED, FILTERS, causes, last_notes, tabs
from oms.common.desk.ticket_words import history_of, words_of
from oms.common.errors import OmsError
from oms.common.models import Ticket


class TicketAdmin(KeysetAdmin):
    """The work that people have to do: what is due first comes first."""

    # Rows are drawn by a template of their own.
    list_display = ("__str__",)
    list_select_related = ("owner",)
    list_filter = FILTERS
    search_fields = ("about_id",)
    search_help_text = gettext_lazy("Order, sub-order, external or waybill number, phone")
    change_list_template = "admin/common/ticket/queue.html"
    actions = ("take_selected", "close_selected")

    def get_keyset(self, request: HttpRequest) -> Sequence[str]:
        """What is due first; of closed ones the newest."""
        return ("-id",) if request.GET.get("which") == CLOSED else ("due_at", "id")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Tickets about the orders that the term may mean."""
        if not search_term.strip():
            return queryset, False
        return queryset.filter(about_id__in=tickets.search(search_term)), False

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Kinds, reasons and subjects in words, the money at stake and what was written last."""
        money = tickets.money_of({row.about_id for row in rows if row.about_id})
        notes = last_notes([row.pk for row in rows])
        for row, words in zip(rows, words_of(rows), strict=True):
            row.words = words
            row.money = money.get(row.about_id)
            row.last_note = notes.get(row.pk)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list with its tabs, its causes and the saved views."""
        may_view = self.has_view_permission(request)
        query = request.GET.urlencode()
        context = {
            "queue_tabs": tabs(request) if may_view else [],
            "tools": list_tools.tools_of(request, self) if may_view else None,
            "may_work": request.user.has_perm(WORK),
            "query": query,
        }
        response = super().changelist_view(request, {**context, **(extra_context or {})})
        shown = getattr(response, "context_data", None)
        if shown and "cl" in shown:
            shown["causes"] = causes(shown["cl"].queryset, request)
        return response

    def next_view(self, request: HttpRequest) -> HttpResponse:
        """Take the next ticket of the list as it is filtered."""
        if not request.user.has_perm(VIEW):
            raise PermissionDenied
        return ticket_queue.take_next(request, self.get_changelist_instance(request).queryset)

    def changes_view(self, request: HttpRequest) -> HttpResponse:
        """What others did since one looked last."""
        return ticket_queue.changes_view(request, {**self.admin_site.each_context(request), "opts": self.opts})

    def pane_view(self, request: HttpRequest, ticket_id: int) -> HttpResponse:
        """The ticket with what it belongs to, to be shown beside the list."""
        if not request.user.has_perm(VIEW):
            raise PermissionDenied
        context = self._context(request, self._ticket(ticket_id))
        return TemplateResponse(request, "admin/common/ticket/pane.html", context)

    def get_urls(self) -> list[URLPattern]:
        """Each action has its own address."""
        own = [
            path(f"<int:ticket_id>/{name}/", self.admin_site.admin_view(self._view_of(todo)), name=_address(name))
            for name, todo in ACTIONS.items()
        ]
        wrap = self.admin_site.admin_view
        queue = [
            path("next/", wrap(self.next_view), name="common_ticket_next"),
            path("changes/", wrap(self.changes_view), name="common_ticket_changes"),
            path("<int:ticket_id>/pane/", wrap(self.pane_view), name="common_ticket_pane"),
        ]
        return queue + own + super().get_urls()

    # --- The page

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The ticket with its history. It is only read here; actions post to their own addresses."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not request.user.has_perm(VIEW):
            raise PermissionDenied
        is_number = object_id.isascii() and object_id.isdigit() and len(object_id) < 19
        return self._page(request, self._ticket(int(object_id) if is_number else 0))

    @staticmethod
    def _ticket(ticket_id: int) -> Ticket:
        ticket = Ticket.objects.select_related("owner").filter(pk=ticket_id).first()
        if ticket is None:
            raise Http404(_("There is no such ticket."))
        return ticket

    def _page(
        self, request: HttpRequest, ticket: Ticket, typed: Mapping[str, str] | None = None, status: int = 200
    ) -> HttpResponse:
        """The page; `typed` is what the person wrote into a form that was refused."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": ticket,
            **self._context(request, ticket, typed),
        }
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        return TemplateResponse(request, "admin/common/ticket/page.html", context, status=status)

    @staticmethod
    def _context(request: HttpRequest, ticket: Ticket, typed: Mapping[str, str] | None = None) -> dict[str, Any]:
        """What the ticket's page and its place beside the list show."""
        (words,) = words_of([ticket])
        may_work = request.user.has_perm(WORK)
        return {
            "title": words.title,
            "words": words,
            "ticket": ticket,
            "history": list(history_of(ticket, ticket.events.all())),
            "may_work": may_work,
            "may_assign": request.user.has_perm(ASSIGN),
            "may_retry": bool(words.retry_right) and request.user.has_perm(words.retry_right),
            "is_mine": ticket.owner_id == request.user.pk,
            "people": list(workers()) if may_work and ticket.closed_at is None else [],
            "results": ticketing.RESULTS,
            "typed": typed or {},
            "longest": ticketing.LONGEST_TEXT,
            "summary": ticket_queue.summary_of(request, ticket),
        }

    def _view_of(self, todo: TicketAction) -> Callable[..., HttpResponse]:
        """The view of an action. A refusal is shown on the ticket's page together with what was typed."""

        def view(request: HttpRequest, ticket_id: int) -> HttpResponse:
            page = reverse("admin:common_ticket_change", args=[ticket_id])
            if request.method != "POST":
                # Such as after a log-in in between: nothing was done.
                return redirect(page)
            ticket = self._ticket(ticket_id)
            if not request.user.has_perms([VIEW, todo.right or _right_to_retry(ticket)]):
                raise PermissionDenied
            form = todo.form(request.POST)
            if not form.is_valid():
                tell_errors(request, form)
                return self._page(request, ticket, request.POST.dict(), 400)
            try:
                messages.success(request, todo.do(request.user, ticket_id, form.cleaned_data))
            except ObjectDoesNotExist:
                messages.error(request, _("What this ticket is about does not exist any more."))
                return self._page(request, self._ticket(ticket_id), request.POST.dict(), 404)
            except OmsError as refusal:
                messages.error(request, str(refusal))
                return self._page(request, self._ticket(ticket_id), request.POST.dict(), refusal.status_code)
            following = request.POST.get("next", "")
            is_ours = url_has_allowed_host_and_scheme(following, {request.get_host()}, request.is_secure())
            return redirect(following if is_ours else page)

        return view

    # --- Several tickets at once

    def has_work_permission(self, request: HttpRequest) -> bool:
        """Whether the person works on tickets."""
        return request.user.has_perm(WORK)

    @action(description=gettext_lazy("Take the selected tickets"), permissions=["work"])
    def take_selected(self, request: HttpRequest, queryset: QuerySet[Ticket]) -> None:
        """Take each that nobody has."""
        self._for_each(request, queryset, lambda user, ticket, _version: ticketing.take(ticket.pk, user=user))

    @action(description=gettext_lazy("Close the selected tickets"), permissions=["work"])
    def close_selected(self, request: HttpRequest, queryset: QuerySet[Ticket]) -> HttpResponse | None:
        """Ask for the result on a page of its own, then close each by itself."""
        form = ResultForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            rows = list(queryset)
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": _("Close the selected tickets"),
                "rows": words_of(rows),
                "form": form,
                "results": ticketing.RESULTS,
                "longest": ticketing.LONGEST_TEXT,
                "action_name": request.POST.get("action"),
                "checkbox_name": ACTION_CHECKBOX_NAME,
            }
            return TemplateResponse(request, "admin/common/ticket/bulk.html", context)
        result, text = form.cleaned_data["result"], form.cleaned_data["text"]

        def close(user: Any, ticket: Ticket, version: int) -> None:
            ticketing.close(ticket.pk, result=result, text=text, user=user, version=version)

        self._for_each(request, queryset, close)
        return None

    @staticmethod
    def _for_each(request: HttpRequest, queryset: QuerySet[Ticket], do: Callable[[Any, Ticket, int], None]) -> None:
        """Do it to each, on the version that was looked at; one message for all that went well, one for each other."""
        done = 0
        for words in words_of(list(queryset)):
            ticket = words.row
            seen = request.POST.get(f"version-{ticket.pk}", "")
            version = int(seen) if seen.isascii() and seen.isdigit() else ticket.version
            try:
                do(request.user, ticket, version)
                done += 1
            except OmsError as refusal:
                messages.error(request, f"{words.title} {words.subject.text}: {refusal}")
        if done:
            text = ngettext("Done with one ticket.", "Done with %(count)s tickets.", done)
            messages.success(request, text % {"count": done})


def _address(action_name: str) -> str:
    return f"common_ticket_{action_name.replace('-', '_')}"


def _right_to_retry(ticket: Ticket) -> str:
    retry = stuck.retry_of(ticket.subject_kind)
    return retry.right if retry else stuck.GENERAL_RIGHT
