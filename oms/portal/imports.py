"""The merchants' own imports by sheet, in the steps of the staff's: the file, what its columns mean, what would become
of every row, and then the job that does it, with a result for each."""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import PermissionDenied
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import URLPattern

from inventory.models import Sku, Stock, Warehouse
from logistics.by_merchant import sheets
from logistics.models import WarehouseOrder
from oms.common.desk.job_pages import JobAdmin
from oms.common.models import Job
from oms.merchant_admin import OwnPages, merchant_of, site
from oms.merchants.models import Merchant
from orders.admin.import_pages import Wizard
from orders.intake import sheets as order_sheets
from orders.intake.import_kinds import ImportKind
from orders.models import Order
from orders.stock import sheets as stock_sheets
from orders.stock import sku_sheets


class FileForm(forms.Form):
    """A file of one's own."""

    file = forms.FileField()
    second = forms.FileField(required=False)


class OwnWizard(Wizard):
    """The pages of a kind of import on the merchants' site; `right` is that of the role."""

    site = site
    form_class = FileForm

    def __init__(self, kind: ImportKind, model: type[Model], file_name: str, right: str) -> None:
        super().__init__(kind, model, file_name)
        self.right = right

    def merchant_for(self, request: HttpRequest, data: Mapping[str, Any]) -> Merchant:
        """Whoever is logged in, as long as it is active."""
        merchant = merchant_of(request)
        if merchant is None or merchant.status != Merchant.Status.ACTIVE:
            raise PermissionDenied
        return merchant

    def may(self, request: HttpRequest) -> bool:
        """By role."""
        return merchant_of(request) is not None and request.user.has_perm(self.right)


ORDERS = OwnWizard(order_sheets.KIND, Order, "orders.xlsx", "portal.orders")
STOCK = OwnWizard(stock_sheets.KIND, Stock, "stock.xlsx", "portal.catalogue")
SKUS = OwnWizard(sku_sheets.KIND, Sku, "skus.xlsx", "portal.catalogue")
SHIPPING = OwnWizard(sheets.SHIPPING, WarehouseOrder, "shipping.xlsx", "portal.ship")
WAREHOUSES = OwnWizard(sheets.WAREHOUSES, Warehouse, "warehouses.xlsx", "portal.warehouses")
ALL = (ORDERS, STOCK, SKUS, SHIPPING, WAREHOUSES)


def urls_of(model: type[Model]) -> list[URLPattern]:
    """The addresses of the imports that fill the model, to stand before its own."""
    return [address for wizard in ALL if wizard.model is model for address in wizard.urls()]


class OwnJobs(OwnPages, JobAdmin):
    """The imports of the person who is logged in, with what became of every row."""

    list_display = ("title", "file_name", "state_label", "progress_label", "owner", "created_at")
    change_list_template = "admin/change_list.html"

    def own(self, merchant: Merchant) -> QuerySet[Job]:
        """Of the merchant's people."""
        return Job.objects.filter(merchant_code=merchant.code, owner__merchant_user__merchant=merchant)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Job]:
        """One's own: a file of another role's may hold what this one does not see."""
        return OwnPages.get_queryset(self, request).filter(owner=request.user)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One's own; `get_queryset` says which."""
        return OwnPages.has_view_permission(self, request, obj)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Every role."""
        return OwnPages.has_view_permission(self, request)

    def _may_read(self, request: HttpRequest, job: Job) -> bool:
        """The rights of the role are still those that the import took."""
        return any(wizard.may(request) for wizard in ALL if job.kind in (wizard.kind.name, wizard.kind.check_name))


site.register(Job, OwnJobs)
