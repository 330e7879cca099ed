"""What the codes of channels stand for, and the codes that orders wait for."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.forms.models import BaseInlineFormSet
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from unfold.admin import TabularInline
from unfold.contrib.filters.admin import RelatedDropdownFilter
from unfold.decorators import display

from oms.common.desk.lists import KeysetAdmin
from oms.common.templatetags.staff import age
from orders.admin.import_pages import Wizard
from orders.admin.staff import staff_actor
from orders.matching import matches, sheets
from orders.matching.matches import NewComponent, NewMatch
from orders.matching.queue import NOBODY, queue_of
from orders.models import MatchComponent, SkuMatch, UnmatchedCode
from orders.models.sku_match import MOST_COMPONENTS

RIGHT = "orders.match_skus"

IMPORT = Wizard(sheets.KIND, SkuMatch, "sku-matches.xlsx")


class MatchForm(forms.ModelForm):
    """A code of a channel. One that orders wait for already is no obstacle: it is matched by this."""

    def clean(self) -> dict[str, Any]:
        """Refuse to say anew, as if it were new, what a code stands for."""
        given = super().clean() or self.cleaned_data
        if self.instance.pk is None and given.get("channel") and given.get("code"):
            known = SkuMatch.objects.filter(channel=given["channel"], code=given["code"]).first()
            if known:  # the same object, since the components' form has it already
                self.instance.pk, self.instance._state.adding = known.pk, False
            if known and known.matched_at:
                raise ValidationError({"code": _("There is a match of this code already: change that one.")})
        return given


class ComponentFormSet(BaseInlineFormSet):
    """What one piece of the code stands for, checked as every other door does."""

    def wanted(self) -> NewMatch:
        """What was filled in."""
        filled = [form.cleaned_data for form in self.forms if not form.cleaned_data.get("DELETE")]
        components = tuple(
            NewComponent(row["sku"].code, row["sku"].merchant.code, row["units"], row["weight"])
            for row in filled
            if row.get("sku")
        )
        return NewMatch(self.instance.channel.code, self.instance.code, components)

    def clean(self) -> None:
        """Name what is wrong with it, line by line where it is a line's."""
        super().clean()
        if any(self.errors) or not self.instance.channel_id:
            return
        wrong = matches.faults(self.instance.channel.merchant, self.wanted())
        if wrong:
            raise ValidationError([error.detail for error in wrong])

    def validate_unique(self) -> None:
        """Said by `clean`."""


class ComponentInline(TabularInline):
    """The components of a match."""

    model = MatchComponent
    formset = ComponentFormSet
    fields = ("sku", "units", "weight")
    autocomplete_fields = ("sku",)
    extra = 1
    max_num = MOST_COMPONENTS

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who sees the match sees what it stands for."""
        return True

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may match."""
        return request.user.has_perm(RIGHT)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may match."""
        return request.user.has_perm(RIGHT)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may match."""
        return request.user.has_perm(RIGHT)


class _MatchPages(KeysetAdmin):
    """What both lists share."""

    search_fields = ("code",)
    search_help_text = gettext_lazy("Caller's code")
    list_select_related = ("channel__merchant",)
    list_filter = (("channel", RelatedDropdownFilter),)

    @display(description=gettext_lazy("channel"))
    def channel_name(self, match: SkuMatch) -> str:
        """The channel with its merchant."""
        return f"{match.channel} ({match.channel.merchant.code})"

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may match, too."""
        return super().has_view_permission(request, obj) or request.user.has_perm(RIGHT)


@admin.register(SkuMatch)
class SkuMatchAdmin(_MatchPages):
    """What codes stand for: listed, said on one page, and imported from sheets."""

    form = MatchForm
    inlines = (ComponentInline,)
    list_display = ("code", "channel_name", "stands_for", "sellable_pieces", "matched_by", "matched_at")
    fields = (("channel", "code"), ("orders_waiting", "names"), ("matched_by", "matched_at"))
    autocomplete_fields = ("channel",)
    change_list_template = "admin/orders/import/match_list.html"

    def get_queryset(self, request: HttpRequest) -> QuerySet[SkuMatch]:
        """The list has what is matched; the page of a code that is not is where it is matched."""
        every = super().get_queryset(request)
        is_list = request.resolver_match is not None and request.resolver_match.url_name == "orders_skumatch_changelist"
        return every.matched().with_sellable() if is_list else every  # type: ignore[attr-defined]

    def get_urls(self) -> list[URLPattern]:
        """The import's pages."""
        return IMPORT.urls() + super().get_urls()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, with a button for those who may import."""
        return super().changelist_view(request, {**(extra_context or {}), "may_import": IMPORT.may(request)})

    def get_readonly_fields(self, request: HttpRequest, obj: SkuMatch | None = None) -> tuple[str, ...]:
        """A code stays what it is; what it stands for changes."""
        told = ("orders_waiting", "names", "matched_by", "matched_at")
        return ("channel", "code", *told) if obj else told

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """What each code stands for."""
        parts: dict[int, list[str]] = {}
        components = MatchComponent.objects.filter(match__in=[row.pk for row in rows]).select_related("sku")
        for part in components.order_by("id"):
            parts.setdefault(part.match_id, []).append(f"{part.sku.code} × {part.units}")
        for row in rows:
            row.parts = " + ".join(parts.get(row.pk, ()))

    @display(description=gettext_lazy("stands for"))
    def stands_for(self, match: SkuMatch) -> str:
        """Its components."""
        return match.parts  # type: ignore[attr-defined]

    @display(description=gettext_lazy("pieces to sell"))
    def sellable_pieces(self, match: SkuMatch) -> int:
        """How many pieces the channel may sell: of a bundle, by the component of which there is least."""
        return match.sellable  # type: ignore[attr-defined]

    @display(description=gettext_lazy("orders that it lets go on"))
    def orders_waiting(self, match: SkuMatch) -> str:
        """Whom matching it lets go on."""
        return reach_told(matches.reach(match.pk)) if match.pk else "–"

    @display(description=gettext_lazy("names that callers gave"))
    def names(self, match: SkuMatch) -> str:
        """Some of the names under which it came."""
        waiting = queue_of([match.pk]).get(match.pk) if match.pk else None
        return _(", ").join(waiting.names) if waiting else "–"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may match."""
        return request.user.has_perm(RIGHT)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may match."""
        return request.user.has_perm(RIGHT)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Who may match; what nobody has matched stands for nothing that could be taken away."""
        return request.user.has_perm(RIGHT) and (obj is None or obj.matched_at is not None)

    def save_model(self, request: HttpRequest, obj: SkuMatch, form: Any, change: bool) -> None:
        """It is written together with its components."""

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Let the code stand for what was filled in, and say whom that lets go on."""
        (components,) = formsets
        match = matches.put(form.instance.channel.merchant, components.wanted(), actor=staff_actor(request))
        if not isinstance(match, SkuMatch):  # somebody changed the SKUs since the form was checked
            raise ValidationError([error.detail for error in match])
        form.instance.pk = match.pk
        messages.info(request, reach_told(matches.reach(match.pk)))

    def construct_change_message(
        self, request: HttpRequest, form: Any, formsets: Any, add: bool = False
    ) -> list[dict[str, Any]]:
        """What was said stands in the row itself."""
        return [{"added": {}}] if add else []

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Only what the codes stand for is taken away."""
        return [str(one) for one in objs], {}, set(), []

    def delete_model(self, request: HttpRequest, obj: SkuMatch) -> None:
        """Let the code stand for nothing."""
        matches.forget(obj.pk)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[SkuMatch]) -> None:
        """Let the codes stand for nothing."""
        for match in queryset:
            matches.forget(match.pk)


def reach_told(reach: matches.Reach) -> str:
    """Whom a match lets go on, in words."""
    at_once = ngettext("One order goes on at once.", "%(count)d orders go on at once.", reach.at_once)
    told = at_once % {"count": reach.at_once}
    if not reach.later:
        return told
    later = ngettext("One more waits for other codes, too.", "%(count)d more wait for other codes, too.", reach.later)
    return f"{told} {later % {'count': reach.later}}"


@admin.register(UnmatchedCode)
class UnmatchedCodeAdmin(_MatchPages):
    """The codes that orders wait for, each with who waits; a click leads to where it is matched."""

    keyset = ("id",)
    list_display = ("code", "channel_name", "orders", "units", "oldest", "example_names", "match_link")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """What an order waits for."""
        return super().get_queryset(request).waited_for()  # type: ignore[attr-defined]

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Who waits for each code."""
        waiting = queue_of([row.pk for row in rows])
        for row in rows:
            # Between the two statements the last order may have gone on.
            row.waiting = waiting.get(row.pk, NOBODY)

    @display(description=gettext_lazy("orders"))
    def orders(self, row: Any) -> int:
        """How many orders wait."""
        return row.waiting.orders

    @display(description=gettext_lazy("units"))
    def units(self, row: Any) -> int:
        """How many pieces they want."""
        return row.waiting.units

    @display(description=gettext_lazy("oldest for"))
    def oldest(self, row: Any) -> str:
        """How long the first of them waits."""
        return age(row.waiting.since)  # "" for nobody

    @display(description=gettext_lazy("names that callers gave"))
    def example_names(self, row: Any) -> str:
        """Some of the names under which it came."""
        return _(", ").join(row.waiting.names)

    @display(description=gettext_lazy("Match"))
    def match_link(self, row: Any) -> SafeString:
        """Where it is matched."""
        label = _("Matched; orders go on") if row.matched_at else _("Match")
        return format_html(
            '<a class="oms-no" href="{}">{}</a>', reverse("admin:orders_skumatch_change", args=[row.pk]), label
        )

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **more: Any) -> HttpResponse:
        """The row's page is that of the match."""
        return admin.site._registry[SkuMatch].change_view(request, object_id, *args, **more)
