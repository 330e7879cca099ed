"""The admin site: the search that is in reach on every page."""

import time
from typing import Any

from django.contrib.admin import AdminSite
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.dataclasses import SearchResult

from oms import empty_lists
from oms.common import outbound
from oms.common.access import roles
from oms.common.logging_in import GuardedSite
from oms.common.masking import hide_name

# So many orders are named in the search box; more are a list's business.
MOST_NAMED = 8


class OmsAdminSite(GuardedSite):
    """The staff's site."""

    index_title = gettext_lazy("Dashboard")
    empty_lists = empty_lists.STAFF

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page knows: also whether what goes out is stopped."""
        return {**super().each_context(request), "outbound_stop": outbound.open_stop()}

    def get_urls(self) -> list[Any]:
        """With the pages that are no list of a model."""
        # They read the models, which are not ready when this site is made.
        from oms.boards import pages
        from oms.common.desk import list_tools

        return [*pages.urls(self), *list_tools.urls(self), *super().get_urls()]

    def first_page(self, request: HttpRequest) -> str:
        """Where the day of the person's role begins."""
        return roles.landing_of(request.user)  # type: ignore[arg-type]

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Orders and pages for what is typed into the command box.

        Unfold's own lowers the text and keeps answers for minutes; numbers have capitals, and orders come at any time.
        """
        started = time.monotonic()
        term = request.GET.get("s", "").strip()
        if not term:
            return HttpResponse()
        results = [*_orders(request, term), *self._search_apps(AdminSite.get_app_list(self, request), term.lower())]
        paginator = Paginator(results, max(len(results), 1))
        extended = "extended" in request.GET
        return TemplateResponse(
            request,
            "unfold/helpers/command_results.html" if extended else "unfold/helpers/search_results.html",
            {
                "page_obj": paginator,
                "results": paginator.page(1),
                "page_counter": 0,
                "execution_time": time.monotonic() - started,
                "command_show_history": False,
            },
            headers={"HX-Trigger": "search"},
        )


def _orders(request: HttpRequest, term: str) -> list[SearchResult]:
    # Importing these registers admin pages, which needs this module's site: they cannot be imported at the top.
    from orders.admin.searching import find, nothing_found
    from orders.models import Order

    if not request.user.has_perm("orders.view_order"):
        return []
    found = find(term)
    if found.is_mistyped_number:
        hint = _("This is no order number: its check digit is wrong. Look for a mistyped digit.")
        return [SearchResult(title=term, description=hint, link="#", icon="error")]
    if not found.order_ids:
        return [SearchResult(title=_("No order"), description=nothing_found(term, found), link="#", icon="search_off")]
    named = Order.objects.filter(pk__in=found.order_ids).select_related("channel").order_by("-id")[:MOST_NAMED]
    results = [
        SearchResult(
            title=order.number,
            description=f"{order.get_state_display()} · {hide_name(order.recipient_name)} · {order.channel.name}",
            link=reverse("admin:orders_order_change", args=[order.pk]),
            icon="receipt_long",
        )
        for order in named
    ]
    if len(found.order_ids) > len(results):
        count = len(found.order_ids)
        results.append(
            SearchResult(
                title=ngettext("%(count)s order", "%(count)s orders", count) % {"count": count},
                description=_("show all in the list"),
                link=f"{reverse('admin:orders_order_changelist')}?{urlencode({'q': term})}",
                icon="list",
            )
        )
    return results
