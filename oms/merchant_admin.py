"""The merchants' own pages at /merchant/: what is theirs, to be read, and their credentials.

Every list and page goes through the same `visible_to` as the API. Rights of staff count for nothing here, and who
logs in here has none there.
"""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db.models import Min, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from inventory import sharing
from inventory.models import Sku, Stock, StockHold
from oms.common.desk.lists import KeysetAdmin
from oms.common.logging_in import GuardedSite, LogInForm
from oms.common.templatetags.staff import state_badge, yuan
from oms.merchants.calls.pages import CredentialPages, OwnCredentialForm
from oms.merchants.models import ApiCredential, Channel, Merchant, MerchantUser
from orders.admin.set_asides import ReadHolds
from orders.models import Order, OrderState, SubOrder, SubOrderState
from orders.models.sub_order import HOLDING_STOCK


def merchant_of(request: HttpRequest) -> Merchant | None:
    """The merchant of who is logged in, looked up once a request."""
    if not hasattr(request, "_merchant"):
        link = None
        if request.user.is_authenticated and request.user.is_active:
            link = MerchantUser.objects.select_related("merchant").filter(user_id=request.user.pk).first()
        request._merchant = link.merchant if link else None  # type: ignore[attr-defined]
    return request._merchant  # type: ignore[attr-defined]


class MerchantLoginForm(LogInForm):
    """Lets in who belongs to a merchant."""

    error_messages = {
        **LogInForm.error_messages,
        "invalid_login": gettext_lazy("Enter the name and password of a merchant's user."),
    }

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        """Raises ValidationError for everybody else, staff too."""
        if not user.is_active or not MerchantUser.objects.filter(user_id=user.pk).exists():
            raise ValidationError(self.error_messages["invalid_login"], code="invalid_login")


class MerchantSite(GuardedSite):
    """The merchants' site."""

    settings_name = "MERCHANT_UNFOLD"
    site_title = site_header = gettext_lazy("Merchant centre")
    index_title = gettext_lazy("Merchant centre")
    index_template = "merchants/centre.html"
    login_form = MerchantLoginForm

    def has_permission(self, request: HttpRequest) -> bool:
        """Only merchants' users."""
        return merchant_of(request) is not None

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """After it comes the first page of this site, not of the staff's, which the settings name."""
        if request.method == "POST" and not {"next"} & (request.POST.keys() | request.GET.keys()):
            posted = request.POST.copy()
            posted["next"] = reverse("merchant:index")
            request.POST = posted  # type: ignore[assignment, misc]
        return super().login(request, extra_context)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The merchant, and what of its work is where."""
        merchant = merchant_of(request)
        context = {"merchant": merchant, "figures": _figures(merchant) if merchant else []}
        return super().index(request, {**context, **(extra_context or {})})

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is no search over everything here."""
        raise Http404


def _figures(merchant: Merchant) -> list[tuple[str, int]]:
    orders = Order.objects.visible_to(merchant)
    parts = SubOrder.objects.visible_to(merchant)
    return [
        (_("Orders waiting for payment"), orders.filter(state=OrderState.AWAITING_PAYMENT).count()),
        (_("Orders in review"), orders.filter(state=OrderState.IN_REVIEW).count()),
        (_("Sub-orders to ship"), parts.filter(state__in=HOLDING_STOCK).count()),
        (_("Sub-orders waiting for stock"), parts.filter(state=SubOrderState.BACKORDERED).count()),
    ]


site = MerchantSite(name="merchant")


class OwnPages(KeysetAdmin):
    """Pages of what is the merchant's; whoever is logged in here may read all of it and nothing else."""

    change_list_template = "admin/change_list.html"
    change_form_template = "admin/change_form.html"
    actions = None

    def own(self, merchant: Merchant) -> QuerySet[Any]:
        """The rows that are the merchant's."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Nothing else can be reached, whatever the address says."""
        merchant = merchant_of(request)
        return self.own(merchant) if merchant else self.model._default_manager.none()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Every merchant's user."""
        return merchant_of(request) is not None

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Every merchant's user; `get_queryset` says of what."""
        return merchant_of(request) is not None

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only where the subclass opens it."""
        merchant = merchant_of(request)
        return self.may_add and merchant is not None and merchant.status == Merchant.Status.ACTIVE

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only where the subclass opens it."""
        return self.may_change and merchant_of(request) is not None

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is deleted here."""
        return False

    @display(description=gettext_lazy("state"))
    def state_label(self, row: Any) -> SafeString:
        """The state in its colour."""
        return state_badge(row)

    @display(description=gettext_lazy("payable amount"))
    def payable(self, row: Any) -> str:
        """The amount with grouped digits."""
        return yuan(row.payable_amount)


class OwnOrders(OwnPages):
    """The orders that the merchant's channels sent."""

    search_fields = ("number", "external_number", "recipient_phone")
    list_display = ("number", "external_number", "channel", "state_label", "payable", "recipient_name", "created_at")
    list_select_related = ("channel",)
    list_filter = (("state", ChoicesDropdownFilter),)
    fields = (
        ("number", "external_number"),
        ("channel", "state_label"),
        ("payment_state", "fulfilment_state"),
        ("goods_amount", "freight_amount"),
        ("promotion_amount", "coupon_amount"),
        ("adjustment_amount", "payable_amount"),
        ("buyer_name", "buyer_phone"),
        ("recipient_name", "recipient_phone"),
        "recipient_address",
        "contents",
        "parts",
        ("ordered_at", "created_at"),
    )
    readonly_fields = tuple(name for row in fields for name in (row if isinstance(row, tuple) else (row,)))

    def own(self, merchant: Merchant) -> QuerySet[Order]:
        """As the API."""
        return Order.objects.visible_to(merchant)

    @display(description=gettext_lazy("lines"))
    def contents(self, order: Order) -> str:
        """What was bought."""
        return _listed(
            f"{line.sku_code or line.caller_code} {line.name} × {line.quantity} · {yuan(line.payable_amount)}"
            for line in order.lines.select_related("sku")
        )

    @display(description=gettext_lazy("sub-orders"))
    def parts(self, order: Order) -> str:
        """What it was split into."""
        return _listed(f"{part.number} · {part.get_state_display()}" for part in order.sub_orders.order_by("id"))


class OwnSubOrders(OwnPages):
    """The sub-orders that the merchant fulfils."""

    search_fields = ("number",)
    list_display = ("number", "state_label", "warehouse", "payable", "created_at")
    list_select_related = ("warehouse",)
    list_filter = (("state", ChoicesDropdownFilter),)
    fields = (("number", "state_label"), ("warehouse", "payable_amount"), "contents", "created_at")
    readonly_fields = ("number", "state_label", "warehouse", "payable_amount", "contents", "created_at")

    def own(self, merchant: Merchant) -> QuerySet[SubOrder]:
        """As the API."""
        return SubOrder.objects.visible_to(merchant)

    @display(description=gettext_lazy("lines"))
    def contents(self, sub_order: SubOrder) -> str:
        """The merchant's goods in it."""
        return _listed(
            f"{line.order_line.sku.code} {line.order_line.name} × {line.quantity}"
            for line in sub_order.lines.select_related("order_line__sku")
        )


class OwnSkus(OwnPages):
    """What the merchant sells."""

    keyset = ("code", "id")
    search_fields = ("code",)
    list_display = ("code", "name", "storage_class", "list_price", "by_channel")

    def own(self, merchant: Merchant) -> QuerySet[Sku]:
        """The merchant's."""
        return Sku.objects.filter(merchant=merchant)

    def prepare_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """What each open channel of the merchant may sell of each."""
        channels = Channel.objects.filter(merchant=merchant_of(request), is_active=True).order_by("code")
        codes = dict(channels.values_list("pk", "code"))
        units = sharing.sellable_units({channel: [row.pk for row in rows] for channel in codes})
        for row in rows:
            row.by_channel = [f"{code}: {units[channel, row.pk]}" for channel, code in codes.items()]

    @display(description=gettext_lazy("units that channels may sell"))
    def by_channel(self, sku: Any) -> str:
        """Channel by channel."""
        return " · ".join(sku.by_channel)


class OwnStock(OwnPages):
    """Where the merchant's goods lie, and how many."""

    list_display = ("sku", "warehouse", "on_hand", "reserved")
    list_select_related = ("sku", "warehouse")
    search_fields = ("sku__code",)

    def own(self, merchant: Merchant) -> QuerySet[Stock]:
        """Of the merchant's SKUs."""
        return Stock.objects.filter(sku__merchant=merchant)


class OwnHolds(ReadHolds, OwnPages):
    """What the merchant's channels hold for carts and quotes."""

    list_display = ("number_shown", "channel", "purpose", "reference", "state_words", "units_held", "expires_at")
    list_select_related = ("channel",)
    list_filter = (("state", ChoicesDropdownFilter), ("purpose", ChoicesDropdownFilter))
    fields = (
        *(("number_shown", "state_words"), ("channel", "purpose"), "reference", "goods"),
        *(("created_at", "expires_at"), "closed_at", "order_number"),
    )
    readonly_fields = tuple(name for row in fields for name in (row if isinstance(row, tuple) else (row,)))

    def own(self, merchant: Merchant) -> QuerySet[StockHold]:
        """As the API."""
        return StockHold.objects.visible_to(merchant)


class OwnCredentials(CredentialPages, OwnPages):
    """The merchant's keys: made, changed over and revoked by itself. Nobody can give more than the merchant has."""

    form = OwnCredentialForm
    list_display = ("name", "app_key", "works", "created_at", "last_used_at")
    add_fields = ("name", "scopes", "allowed_networks", "with_token")
    change_fields = ("name", "app_key", "prefix", "scopes", "allowed_networks")

    def own(self, merchant: Merchant) -> QuerySet[ApiCredential]:
        """The merchant's."""
        return ApiCredential.objects.filter(merchant=merchant)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> type[forms.Form]:
        """A new credential belongs to the merchant, whatever is posted."""
        if obj is None:
            self_merchant = merchant_of(request)
            base = super().get_form(request, obj, change, **kwargs)

            class OwnForm(base):  # type: ignore[misc, valid-type]
                def __init__(self, *args: Any, **options: Any) -> None:
                    super().__init__(*args, **options)
                    self.instance.merchant = self_merchant
                    # Whoever was slowed down is not quick again with another key.
                    limits = ApiCredential.objects.filter(merchant=self_merchant, calls_per_minute__gt=0)
                    self.instance.calls_per_minute = limits.aggregate(least=Min("calls_per_minute"))["least"]

            return OwnForm
        return super().get_form(request, obj, change, **kwargs)


def _listed(lines: Any) -> SafeString:
    return format_html_join("", "<p>{}</p>", ((line,) for line in lines))


site.register(Order, OwnOrders)
site.register(SubOrder, OwnSubOrders)
site.register(Sku, OwnSkus)
site.register(Stock, OwnStock)
site.register(StockHold, OwnHolds)
site.register(ApiCredential, OwnCredentials)
