"""The merchants' own site at /merchant/, and its pages of orders, goods and credentials; more are in `oms.portal`.

Every list and page goes through the same `visible_to` as the API. Rights of staff count for nothing here, and who
logs in here has none there: what somebody may do is their role's (`oms.merchants.joining.roles`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib.auth.models import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.db.models import Min, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.decorators import display

from inventory.models import StockHold
from oms import empty_lists
from oms.common.desk import list_tools
from oms.common.desk.lists import KeysetAdmin
from oms.common.logging_in import GuardedSite, LogInForm
from oms.common.templatetags.staff import state_badge, yuan
from oms.merchants.calls.pages import CredentialPages, OwnCredentialForm
from oms.merchants.joining.access import membership
from oms.merchants.models import ApiCredential, Merchant, MerchantUser
from orders.actors import Actor
from orders.admin.set_asides import ReadHolds
from orders.models import ActorKind

# In the session of who works in the sandbox.
IN_SANDBOX = "in_sandbox"


def merchant_of(request: HttpRequest) -> Merchant | None:
    """Whose pages are shown: the merchant of who is logged in, or its sandbox as long as they are there."""
    person = membership(request.user)
    if person is None:
        return None
    if not hasattr(request, "_merchant"):
        twin = None
        if getattr(request, "session", {}).get(IN_SANDBOX):
            twin = Merchant.objects.select_related("sandbox_of").filter(sandbox_of=person.merchant_id).first()
        request._merchant = twin or person.merchant  # type: ignore[attr-defined]
    return request._merchant  # type: ignore[attr-defined, no-any-return]


def actor_of(request: HttpRequest) -> Actor:
    """Who is logged in, as timelines name them."""
    merchant = merchant_of(request)
    name = f"{merchant.code} {request.user.get_username()}" if merchant else ""
    return Actor(ActorKind.MERCHANT, name[:80])


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
    """The merchants' site. Modules of pages add to its addresses (`more_urls`) and its front page (`front_parts`)."""

    settings_name = "MERCHANT_UNFOLD"
    site_title = site_header = gettext_lazy("Merchant centre")
    index_title = gettext_lazy("Merchant centre")
    index_template = "merchants/centre.html"
    login_form = MerchantLoginForm
    empty_lists: Mapping[str, str | Promise] = {**empty_lists.STAFF, **empty_lists.MERCHANTS}

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.front_parts: list[Callable[[HttpRequest], Mapping[str, Any]]] = []
        self.more_urls: list[Callable[[], list[URLPattern]]] = []

    def has_permission(self, request: HttpRequest) -> bool:
        """Only merchants' users."""
        return merchant_of(request) is not None

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """What every page knows; the ways in its head lead to pages of this site, not of the staff's."""
        request.current_app = self.name  # type: ignore[attr-defined]
        merchant = merchant_of(request)
        return {**super().each_context(request), "sandbox": merchant if merchant and merchant.is_sandbox else None}

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
        context: dict[str, Any] = {"merchant": merchant}
        for part in self.front_parts:
            context |= part(request)
        return super().index(request, {**context, **(extra_context or {})})

    def get_urls(self) -> list[Any]:
        """With those of pages that are of no model."""
        of_modules = [address for of_module in self.more_urls for address in of_module()]
        return [*of_modules, *list_tools.urls(self), *super().get_urls()]

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """There is no search over everything here."""
        raise Http404


site = MerchantSite(name="merchant")


class OwnPages(KeysetAdmin):
    """Pages of what is the merchant's. `sees` is the right that reading takes, empty for every role; `changes` is what
    adding and changing take, where a subclass opens it."""

    sees: ClassVar[str] = ""
    changes: ClassVar[str] = ""

    change_list_template = "admin/change_list.html"
    change_form_template = "admin/change_form.html"
    actions: Sequence[str] | None = None

    def own(self, merchant: Merchant) -> QuerySet[Any]:
        """The rows that are the merchant's."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Nothing else can be reached, whatever the address says."""
        merchant = merchant_of(request)
        return self.own(merchant) if merchant else self.model._default_manager.none()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Whose role may see them."""
        return self.has_view_permission(request)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Whose role may see them; `get_queryset` says of what."""
        return merchant_of(request) is not None and (not self.sees or request.user.has_perm(self.sees))

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only where the subclass opens it, for roles that may change."""
        merchant = merchant_of(request)
        is_active = merchant is not None and merchant.status == Merchant.Status.ACTIVE
        return self.may_add and is_active and request.user.has_perm(self.changes)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Only where the subclass opens it, for roles that may change."""
        return self.may_change and merchant_of(request) is not None and request.user.has_perm(self.changes)

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

    sees = changes = "portal.keys"
    form = OwnCredentialForm
    list_display = ("name", "app_key", "works", "created_at", "last_used_at")
    add_fields = ("name", "scopes", "allowed_networks", "with_token")
    change_fields = ("name", "app_key", "prefix", "scopes", "allowed_networks")
    list_before_template = "portal/credentials_head.html"

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


site.register(StockHold, OwnHolds)
site.register(ApiCredential, OwnCredentials)
