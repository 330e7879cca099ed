"""What a person keeps for the lists that they work with: filters under a name, for themselves or their team, and which
columns a list shows to them. One mechanism for all lists of a site."""

from typing import Any

from django import forms
from django.contrib.admin import AdminSite
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.desk import acting
from oms.common.desk.keyset import SORT, filters_of
from oms.common.desk.lists import KeysetAdmin, page_of
from oms.common.errors import OmsError
from oms.common.models import SavedView, Team

# Who gives tickets to people keeps views for teams.
ASSIGN = "common.assign_ticket"
LONGEST_QUERY = 1000


class SaveForm(forms.Form):
    """Asks under which name the filters are kept, and for whom: oneself, or a team."""

    title = forms.CharField(label=gettext_lazy("Name of the view"), max_length=40)
    team = forms.ChoiceField(
        label=gettext_lazy("For"), choices=[("", gettext_lazy("Me alone")), *Team.choices], required=False
    )


def urls(site: AdminSite) -> list[URLPattern]:
    """The addresses of a site at which views and columns are kept."""
    return [
        path("lists/<str:page>/views/", site.admin_view(_save_view), {"site": site}, name="list_views"),
        path("lists/views/<int:view_id>/delete/", site.admin_view(_delete_view), {"site": site}, name="list_view_gone"),
        path(
            "lists/views/<int:view_id>/change/", site.admin_view(_change_view), {"site": site}, name="list_view_change"
        ),
        path("lists/<str:page>/columns/", site.admin_view(_keep_columns), {"site": site}, name="list_columns"),
    ]


def tools_of(request: HttpRequest, model_admin: KeysetAdmin) -> dict[str, Any]:
    """What the template beside a list's filters shows: views, and columns to choose from. One statement."""
    site, page = model_admin.admin_site.name, page_of(model_admin)
    query = filters_of(request).urlencode()
    return {
        "query": query,
        "views": views_of(request, model_admin, query),
        "save_address": reverse(f"{site}:list_views", args=[page]),
        "save_form": SaveForm(auto_id="view-%s"),
        "may_keep_for_teams": _may_keep_for_teams(request, site),
        "sorts": [{**sort, "query": _with_sort(request, sort["name"])} for sort in model_admin.offered_sorts(request)],
        "columns": model_admin.offered_columns(request),
        "columns_address": reverse(f"{site}:list_columns", args=[page]),
    }


def views_of(request: HttpRequest, model_admin: KeysetAdmin, query: str) -> list[dict[str, Any]]:
    """The views of a list that the person may open: their own, and on the staff's site those of teams."""
    site, user = model_admin.admin_site.name, request.user
    may_delete = _may_keep_for_teams(request, site)
    return [
        {
            "row": row,
            "team": str(Team(row.team).label) if row.team in Team.values else "",
            "address": _address(model_admin, row.query),
            "is_active": row.query == query,
            "may_delete": row.owner_id == user.pk or (bool(row.team) and may_delete),
            "delete_address": reverse(f"{site}:list_view_gone", args=[row.pk]),
            "change_address": reverse(f"{site}:list_view_change", args=[row.pk]),
        }
        for row in model_admin.kept_views(request)
        if row.title
    ]


def _save_view(request: HttpRequest, page: str, site: AdminSite) -> HttpResponse:
    """Keep the list's filters (the address's query) under a name; one of the same name is replaced."""
    model_admin = _list_of(site, page)
    query = filters_of(request).urlencode()[:LONGEST_QUERY]

    def do(data: dict[str, Any]) -> str:
        if data["team"] and not _may_keep_for_teams(request, site.name):
            raise PermissionDenied
        whose: dict[str, Any] = {"owner": None, "team": data["team"]} if data["team"] else {"owner": request.user}
        try:
            with transaction.atomic():
                SavedView.objects.update_or_create(
                    **whose, page=page, title=data["title"].strip(), defaults={"query": query}
                )
        except IntegrityError:
            # Saved at once by somebody else under the same name: theirs is as good.
            return _("There is a view of this name already.")
        return _("The view is kept.")

    may = model_admin.has_view_permission(request)
    return acting.act(request, do, may=may, page=_address(model_admin, query), form_class=SaveForm)


def _change_view(request: HttpRequest, view_id: int, site: AdminSite) -> HttpResponse:
    """Give a view another name, or to a team or oneself; its filters stay."""
    view, model_admin = _kept(request, view_id, site)

    def do(data: dict[str, Any]) -> str:
        team = data["team"] if _may_keep_for_teams(request, site.name) else view.team
        if data["team"] and data["team"] != team:
            raise PermissionDenied
        view.title, view.team = data["title"].strip(), team
        view.owner_id = None if team else request.user.pk
        try:
            with transaction.atomic():
                view.save(update_fields=["title", "team", "owner"])
        except IntegrityError as error:
            raise OmsError(_("There is a view of this name already."), attr="title") from error
        return _("The view is changed.")

    may = model_admin.has_view_permission(request)
    return acting.act(request, do, may=may, page=_address(model_admin, view.query), form_class=SaveForm)


def _delete_view(request: HttpRequest, view_id: int, site: AdminSite) -> HttpResponse:
    """Forget a view of one's own, or of a team for who keeps those."""
    view, model_admin = _kept(request, view_id, site)

    def do(_data: dict[str, Any]) -> str:
        view.delete()
        return _("The view is gone.")

    may = model_admin.has_view_permission(request)
    return acting.act(request, do, may=may, page=_address(model_admin))


def _kept(request: HttpRequest, view_id: int, site: AdminSite) -> tuple[SavedView, KeysetAdmin]:
    """A view with a name that the person may change, and its list. Raises Http404 for all others."""
    allowed = Q(owner=request.user.pk)
    if _may_keep_for_teams(request, site.name):
        allowed |= ~Q(team="")
    view = SavedView.objects.filter(allowed, pk=view_id).exclude(title="").first()
    if view is None:
        raise Http404
    return view, _list_of(site, view.page)


def _keep_columns(request: HttpRequest, page: str, site: AdminSite) -> HttpResponse:
    """Keep which columns the list shows to the person; without any, those of everybody."""
    model_admin = _list_of(site, page)
    offered = [column["name"] for column in model_admin.offered_columns(request)]
    # What is unknown is left out: a column may have gone since the page was opened.
    wanted = [name for name in offered if name in set(request.POST.getlist("column"))]

    def do(_data: dict[str, Any]) -> str:
        if "reset" in request.POST or not wanted:
            SavedView.objects.filter(owner=request.user.pk, page=page, title="").delete()
            return _("The list has its usual columns again.")
        SavedView.objects.update_or_create(owner_id=request.user.pk, page=page, title="", defaults={"columns": wanted})
        return _("The list shows the columns that you chose.")

    may = model_admin.has_view_permission(request)
    return acting.act(request, do, may=may, page=_address(model_admin, filters_of(request).urlencode()))


def _list_of(site: AdminSite, page: str) -> KeysetAdmin:
    """The list of that name. Raises Http404 where the site has none."""
    for model_admin in site._registry.values():
        if isinstance(model_admin, KeysetAdmin) and page_of(model_admin) == page:
            return model_admin
    raise Http404


def _may_keep_for_teams(request: HttpRequest, site: str) -> bool:
    return site == "admin" and request.user.has_perm(ASSIGN)


def _address(model_admin: KeysetAdmin, query: str = "") -> str:
    found = reverse(f"{model_admin.admin_site.name}:{page_of(model_admin)}_changelist")
    return found + (f"?{query}" if query else "")


def _with_sort(request: HttpRequest, name: str) -> str:
    query = filters_of(request, SORT)
    if name:
        query[SORT] = name
    return f"?{query.urlencode()}"
