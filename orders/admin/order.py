"""Orders: the list, the page, and what can be done on either."""

from collections.abc import Callable, Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.decorators import action
from unfold.widgets import UnfoldAdminTextareaWidget

from oms.common import typed
from oms.common.desk import presence
from oms.common.desk.counting import capped_count
from oms.common.desk.job_pages import ExportMixin
from oms.common.desk.lists import KeysetAdmin
from oms.common.errors import OmsError
from oms.merchants.sandbox_lists import SandboxFilter
from orders.actors import Actor
from orders.admin import (
    actions,
    bulk,
    entering,
    exporting,
    import_pages,
    order_list,
    privacy,
    reissuing,
    talking,
    tickets,
)
from orders.admin import cancelling as cancelling_page
from orders.admin import changing as changing_page
from orders.admin import merging as merging_pages
from orders.admin import readdressing as readdressing_page
from orders.admin import summary as summary_beside_tickets  # noqa: F401 - tickets show it
from orders.admin.order_page import load, page_context
from orders.admin.review_desk import review_view
from orders.admin.searching import Found, find, nothing_found
from orders.admin.staff import staff_actor
from orders.admin.undoing import undo_view, with_undo
from orders.asked.panels import registry
from orders.changing import undoing
from orders.changing.bulk import MOST_ORDERS
from orders.changing.undoing import Click
from orders.models import Hold, Order
from orders.reviewing import holds as holding


class BulkForm(forms.Form):
    """Asks for the one reason that applies to all ticked orders."""

    reason = forms.CharField(max_length=200, widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}))


@admin.register(Order)
class OrderAdmin(ExportMixin, KeysetAdmin):
    """Find any order, see why it is where it is, and act on it. Nothing of an order is edited in a form."""

    list_display = ("number",)
    list_select_related = ("channel", "region")
    search_fields = ("number",)
    search_help_text = gettext_lazy("Order, sub-order, external or waybill number, phone, SKU, metadata key=value")
    change_list_template = "admin/orders/order/change_list.html"
    export = exporting.ORDERS
    other_exports = (exporting.ORDER_LINES,)
    actions = ("hold_selected", "release_selected", "cancel_selected", "merge_selected")

    def get_list_filter(self, request: HttpRequest) -> Sequence[Any]:
        """The list's own filters, and those of upper apps."""
        return (*order_list.FILTERS, *registry.filters, SandboxFilter)

    def get_urls(self) -> list[URLPattern]:
        """Each action has its own address."""
        views: list[tuple[str, Callable[..., HttpResponse], str]] = [
            ("<int:order_id>/hold/", actions.hold_view, "hold"),
            ("<int:order_id>/cancel/", cancelling_page.cancel_view, "cancel"),
            ("<int:order_id>/recipient/", readdressing_page.recipient_view, "recipient"),
            ("<int:order_id>/changes/", changing_page.change_view, "changes"),
            ("regions/", readdressing_page.regions_view, "regions"),
            ("<int:order_id>/note/", talking.note_view, "note"),
            ("<int:order_id>/contact/", talking.contact_view, "contact"),
            ("<int:order_id>/message/", talking.message_view, "message"),
            ("<int:order_id>/present/", self.present_view, "present"),
            ("<int:order_id>/marks/", actions.marks_view, "marks"),
            ("<int:order_id>/merge/", merging_pages.merge_view, "merge"),
            ("<int:order_id>/unmerge/", merging_pages.unmerge_view, "unmerge"),
            ("<int:order_id>/divide/<int:sub_order_id>/", merging_pages.divide_view, "divide"),
            ("<int:order_id>/reveal/", privacy.reveal_view, "reveal"),
            ("<int:order_id>/reissue/", reissuing.reissue_view, "reissue"),
            ("<int:order_id>/ticket/", tickets.open_view, "ticket"),
            ("<int:order_id>/holds/<int:hold_id>/release/", actions.release_view, "release"),
            ("undo/<uuid:batch>/", undo_view, "undo"),
            ("bulk/<int:job_id>/", bulk.bulk_view, "bulk"),
            ("bulk/<int:job_id>/file/", bulk.file_view, "bulk_file"),
            ("review/", review_view, "review"),
            ("count/", self.count_view, "count"),
        ]
        own = [
            path(route, self.admin_site.admin_view(view), name=f"orders_order_{name}") for route, view, name in views
        ]
        entry = path("enter/", self.admin_site.admin_view(entering.enter_view), name="orders_order_enter")
        return [entry, *own, *import_pages.ORDERS.urls(), *import_pages.CHANGES.urls(), *super().get_urls()]

    # --- The list

    def count_view(self, request: HttpRequest) -> HttpResponse:
        """How many orders match the list's filters, as far as they can be acted on at once: the list itself only
        estimates it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        found = capped_count(self.get_changelist_instance(request).queryset, MOST_ORDERS)
        if found > MOST_ORDERS:
            shown = {"most": number_format(MOST_ORDERS, force_grouping=True)}
            return JsonResponse({"text": _("All that match: more than %(most)s, which are too many at once") % shown})
        shown = {"count": number_format(found, force_grouping=True)}
        return JsonResponse({"text": _("All that match: %(count)s") % shown})

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list; a search that finds one order opens it, one for a mistyped number says so."""
        term = request.GET.get("q", "").strip()
        if term and request.method == "GET" and self.has_view_permission(request):
            found = self._find(request, term)
            if len(found.order_ids) == 1:
                return redirect(reverse("admin:orders_order_change", args=list(found.order_ids)))
            if found.is_mistyped_number:
                messages.warning(
                    request,
                    _("%(number)s is not an order number: its check digit is wrong. Look for a mistyped digit.")
                    % {"number": term},
                )
            elif not found.order_ids:
                messages.info(request, nothing_found(term, found))
        context = {
            "queue_tabs": order_list.queue_tabs(request.GET.dict()),
            "may_enter": request.user.has_perm(entering.ENTER),
            "may_import": import_pages.ORDERS.may(request),
            "may_change_many": import_pages.CHANGES.may(request),
            **(extra_context or {}),
        }
        return super().changelist_view(request, context)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Orders that the term may mean, whatever kind of number it is."""
        if not search_term.strip():
            return queryset, False
        return queryset.filter(pk__in=self._find(request, search_term).order_ids), False

    @staticmethod
    def _find(request: HttpRequest, term: str) -> Found:
        """The search's outcome, looked up once a request."""
        cached: tuple[str, Found] | None = getattr(request, "_order_search", None)
        if cached is None or cached[0] != term.strip():
            cached = (term.strip(), find(term))
            request._order_search = cached  # type: ignore[attr-defined]
        return cached[1]

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Order]) -> None:
        """Sub-orders and alerts of the page's orders."""
        order_list.add_summaries(rows)

    # --- The page

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The order's story. It is only read here; actions post to their own addresses."""
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if not self.has_view_permission(request):
            raise PermissionDenied
        order = load(int(object_id)) if object_id.isascii() and object_id.isdigit() and len(object_id) < 19 else None
        if order is None:
            raise Http404(_("There is no such order."))
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "original": order,
            "title": order.number,
            "is_fullwidth": "1",
            **page_context(order, request.user),
            **(extra_context or {}),
        }
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        return TemplateResponse(request, "admin/orders/order/page.html", context)

    def present_view(self, request: HttpRequest, order_id: int) -> HttpResponse:
        """Who else has the order's page open."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return presence.answer(request, f"order:{order_id}")

    # --- Several orders at once

    def has_hold_permission(self, request: HttpRequest) -> bool:
        """Whether the person may hold and release."""
        return request.user.has_perm("orders.hold_order")

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Whether the person may cancel."""
        return request.user.has_perm("orders.cancel_order")

    @action(description=gettext_lazy("Hold the selected orders"), permissions=["hold"])
    def hold_selected(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Stop each, for one reason."""
        if bulk.is_many(request, queryset):
            return bulk.prepare(request, "hold", self._chosen(request, queryset))

        def hold(order: Order, version: int, reason: str, actor: Actor, click: Click) -> str:
            undoing.hold_now(order.pk, click, reason=reason, actor=actor, version=version)
            return _("%(number)s is held.") % {"number": order.number}

        return self._run_for_each(request, queryset, _("Hold the selected orders"), hold)

    @action(description=gettext_lazy("Release the selected orders"), permissions=["hold"])
    def release_selected(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Release every hold that a person may release."""
        if bulk.is_many(request, queryset):
            return bulk.prepare(request, "release", self._chosen(request, queryset))
        holds: dict[int, list[int]] = {}
        for hold_id, order_id in (
            Hold.objects.filter(order__in=queryset, released_at=None)
            .exclude(kind__in=holding.ENDS_BY_ITSELF)
            .order_by("id")
            .values_list("id", "order_id")
        ):
            holds.setdefault(order_id, []).append(hold_id)

        def release(order: Order, version: int, reason: str, actor: Actor, click: Click) -> str:
            own = holds.get(order.pk)
            if not own:
                raise OmsError(_("It has no hold that a person may release."))
            undoing.release_later(
                order.pk, own, click, note=reason, actor=actor, version=version, has_right=request.user.has_perm
            )
            text = _("%(number)s is about to be released.") if click.seconds else _("%(number)s is released.")
            return text % {"number": order.number}

        return self._run_for_each(request, queryset, _("Release the selected orders"), release)

    @action(description=gettext_lazy("Cancel the selected orders"), permissions=["cancel"])
    def cancel_selected(self, request: HttpRequest, queryset: QuerySet[Order]) -> HttpResponse | None:
        """Cancel each that can be cancelled."""
        if bulk.is_many(request, queryset):
            return bulk.prepare(request, "cancel", self._chosen(request, queryset))

        def cancel(order: Order, version: int, reason: str, actor: Actor, click: Click) -> str:
            cancelled = undoing.cancel_later(order.pk, click, reason=reason, actor=actor, version=version)
            return f"{order.number}: {cancelling_page.done_text(cancelled)}"

        return self._run_for_each(request, queryset, _("Cancel the selected orders"), cancel, is_grave=True)

    def _chosen(self, request: HttpRequest, ticked: QuerySet[Order]) -> QuerySet[Order]:
        """The ticked orders, or all that match the list's filters."""
        return bulk.chosen(request, ticked, self.get_changelist_instance(request).queryset)

    def has_merge_permission(self, request: HttpRequest) -> bool:
        """Whether the person may split and merge."""
        return request.user.has_perm(merging_pages.RIGHT)

    @action(description=gettext_lazy("Merge the selected orders"), permissions=["merge"])
    def merge_selected(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Let go in one parcel what belongs together; it can be parted again until it is released."""
        merging_pages.merge_orders(request, list(queryset.order_by("pk").values_list("pk", flat=True)))

    def _run_for_each(
        self,
        request: HttpRequest,
        queryset: QuerySet[Order],
        title: str,
        run: Callable[[Order, int, str, Actor, Click], str],
        *,
        is_grave: bool = False,
    ) -> HttpResponse | None:
        """Ask for the reason on a page of its own, then do each order by itself, with a message for each."""
        orders = list(queryset.select_related("channel"))
        form = BulkForm(request.POST if "confirmed" in request.POST else None)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": title,
                "orders": orders,
                "form": form,
                "action_name": request.POST.get("action"),
                "checkbox_name": ACTION_CHECKBOX_NAME,
                "is_grave": is_grave,
            }
            return TemplateResponse(request, "admin/orders/order/bulk.html", context)
        actor, click, done = staff_actor(request), Click.of("bulk"), 0
        for order in orders:
            seen = request.POST.get(f"version-{order.pk}", "")
            version = int(seen) if seen.isascii() and seen.isdigit() else order.version
            try:
                messages.success(request, run(order, version, form.cleaned_data["reason"], actor, click))
                done += 1
            except OmsError as refusal:
                messages.error(request, f"{order.number}: {refusal}")
                typed.keep(request, typed.of(request, ["reason"]))
        if done and click.seconds:
            text = _("All of it can be taken back for %(seconds)d seconds.") % {"seconds": click.seconds}
            messages.info(request, with_undo(request, text, click))
        return None
