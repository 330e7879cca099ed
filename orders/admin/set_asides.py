"""The staff's pages of what carts and quotes hold, and of channels' shares of the stock."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.decorators import display

from inventory import holding, selling, sharing
from inventory.models import ChannelShare, StockHold, StockHoldState
from inventory.sharing import NewShare, Share
from oms.common.codebook import ACTORS
from oms.common.desk.acting import RowAction, RowActions
from oms.common.desk.lists import KeysetAdmin, staff_actor_name
from oms.common.templatetags.staff import badge, tone
from orders.stock import held

RELEASE = "inventory.release_stockhold"


class ReadHolds:
    """Columns of what is set aside, for staff and for merchants."""

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """The units and the order of each."""
        found = held.read(rows)
        for row in rows:
            row.held = found[row.pk]

    @display(description=gettext_lazy("state"))
    def state_words(self, hold: StockHold) -> SafeString:
        """Its state, in its colour; expired as soon as its time is over."""
        state = hold.state_now
        return badge(state.label, tone(state))

    @display(description=gettext_lazy("number"))
    def number_shown(self, hold: StockHold) -> str:
        """By which others name it."""
        return hold.number

    @display(description=gettext_lazy("units held now"))
    def units_held(self, hold: StockHold) -> int:
        """How many units nobody else can get."""
        return _held(hold).held

    @display(description=gettext_lazy("order"))
    def order_number(self, hold: StockHold) -> str:
        """The order that took it over."""
        return _held(hold).order or "–"

    @display(description=gettext_lazy("set-aside units"))
    def goods(self, hold: StockHold) -> SafeString:
        """Line by line, how many were set aside and how many still are."""
        lines = ((_goods_words(one),) for line in _held(hold).lines for one in line.goods)
        return format_html_join("", "<p>{}</p>", lines)


def _goods_words(one: held.Goods) -> str:
    text = _("%(sku)s: %(held)d of %(quantity)d") % {"sku": one.sku, "held": one.held, "quantity": one.quantity}
    if not one.ahead:
        return text
    return _("%(text)s, of which %(ahead)d are on order") % {"text": text, "ahead": one.ahead}


def _held(hold: Any) -> held.Shown:
    """What was read for the whole list, or for the page alone."""
    if not hasattr(hold, "held"):
        hold.held = held.read([hold])[hold.pk]
    return hold.held


def _release(request: HttpRequest, hold_id: int, _data: dict[str, Any]) -> str:
    hold = holding.release(hold_id, actor=staff_actor_name(request))
    return _("Set-aside %(number)s: %(state)s.") % {"number": hold.number, "state": hold.state_now.label}


@admin.register(StockHold)
class StockHoldAdmin(ReadHolds, RowActions):
    """What carts and quotes hold, for whom and until when. Staff may give it back."""

    search_fields = ("id",)
    search_help_text = gettext_lazy("Number")
    list_display = (
        *("number_shown", "channel", "purpose", "reference", "state_words", "units_held", "created_words"),
        *("created_at", "expires_at", "order_link"),
    )
    list_select_related = ("channel",)
    list_filter = (
        ("state", ChoicesDropdownFilter),
        ("purpose", ChoicesDropdownFilter),
        ("merchant", RelatedDropdownFilter),
    )
    fields = (
        *(("number_shown", "state_words"), ("merchant", "channel"), ("purpose", "reference"), "goods"),
        *(("created_at", "created_words"), "expires_at", ("closed_at", "closed_words"), "order_link"),
    )
    readonly_fields = tuple(name for row in fields for name in (row if isinstance(row, tuple) else (row,)))
    shown_by: ClassVar[Mapping[str, str]] = {"created_by": "created_words", "closed_by": "closed_words"}
    row_actions = (
        RowAction(
            "release",
            RELEASE,
            gettext_lazy("Give back"),
            _release,
            tone="danger-line",
            hint=gettext_lazy("The units are free for others at once; the cart's or quote's buyer loses them."),
        ),
    )

    def fitting_actions(self, row: StockHold) -> Collection[str]:
        """What is over, or an order's, cannot be given back."""
        return ["release"] if row.state == StockHoldState.HELD else []

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[StockHold], search_term: str
    ) -> tuple[QuerySet[StockHold], bool]:
        """The one of that number."""
        number = search_term.strip()
        return (queryset.filter(pk=StockHold.id_of(number)) if number else queryset), False

    @display(description=gettext_lazy("created by"))
    def created_words(self, hold: StockHold) -> str:
        """Who set it aside."""
        return ACTORS.word(hold.created_by) or "–"

    @display(description=gettext_lazy("closed by"))
    def closed_words(self, hold: StockHold) -> str:
        """Who ended it."""
        return ACTORS.word(hold.closed_by) or "–"

    @display(description=gettext_lazy("order"))
    def order_link(self, hold: StockHold) -> SafeString | str:
        """The order that took it over."""
        shown = _held(hold)
        if shown.order_id is None:
            return "–"
        return format_html(
            '<a href="{}">{}</a>', reverse("admin:orders_order_change", args=[shown.order_id]), shown.order
        )


class ShareForm(forms.ModelForm):
    """A share of a channel; the SKU must be one that the channel may sell now."""

    def clean(self) -> dict[str, Any]:
        """Refuse a SKU that is somebody else's or off sale."""
        given = super().clean() or self.cleaned_data
        channel, sku = given.get("channel"), given.get("sku")
        if channel and sku and not selling.sold_by(channel.merchant, [(sku.merchant.code, sku.code)]):
            raise ValidationError({"sku": _("The channel does not sell this SKU.")})
        return given


@admin.register(ChannelShare)
class ChannelShareAdmin(KeysetAdmin):
    """How much of the stock each channel may sell."""

    form = ShareForm
    may_add = may_change = True
    search_fields = ("sku__code",)
    search_help_text = gettext_lazy("SKU code")
    list_display = (
        "channel",
        "sku_words",
        "percent",
        "kept_back",
        "cap",
        "presale_percent",
        "sellable_now",
        "changed_words",
        "changed_at",
    )
    list_select_related = ("channel", "sku")
    list_filter = (("channel", RelatedDropdownFilter),)
    autocomplete_fields = ("channel", "sku")
    fields = (("channel", "sku"), ("percent", "kept_back", "cap"), "presale_percent")
    shown_by: ClassVar[Mapping[str, str]] = {"changed_by": "changed_words"}

    def get_readonly_fields(self, request: HttpRequest, obj: ChannelShare | None = None) -> tuple[str, ...]:
        """A share stays that of its channel and SKU."""
        return ("channel", "sku") if obj else ()

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """What comes of each share of one SKU now."""
        pairs: dict[int, list[int]] = {}
        for row in rows:
            if row.sku_id:
                pairs.setdefault(row.channel_id, []).append(row.sku_id)
        units = sharing.sellable_units(pairs)
        for row in rows:
            row.sellable = units.get((row.channel_id, row.sku_id))

    @display(description=gettext_lazy("SKU"))
    def sku_words(self, share: ChannelShare) -> str:
        """The SKU, or that it counts for all others."""
        return str(share.sku) if share.sku else _("all others")

    @display(description=gettext_lazy("units to sell now"))
    def sellable_now(self, share: Any) -> str | int:
        """Units that the channel may sell."""
        return "–" if share.sellable is None else share.sellable

    @display(description=gettext_lazy("changed by"))
    def changed_words(self, share: ChannelShare) -> str:
        """Who said so."""
        return ACTORS.word(share.changed_by) or "–"

    def save_model(self, request: HttpRequest, obj: ChannelShare, form: Any, change: bool) -> None:
        """Say it by the one service that does."""
        share = Share(obj.percent, obj.kept_back, obj.cap, obj.presale_percent)
        sharing.set_shares([NewShare(obj.channel_id, obj.sku_id, share)], actor=staff_actor_name(request))
        obj.pk = ChannelShare.objects.get(channel=obj.channel_id, sku=obj.sku_id).pk
