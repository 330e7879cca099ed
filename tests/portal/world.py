"""A merchant that ships from a warehouse of its own, with orders that wait there."""

import re
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from inventory.models import Sku, Warehouse
from logistics.by_merchant import opening
from logistics.by_merchant.opening import NewWarehouse
from logistics.carriers.defaults import install_default_carriers
from logistics.models import WarehouseOrder
from logistics.warehouses import releasing, sending
from oms.common.models import OneTimePassword
from oms.merchants.calls import scopes
from oms.merchants.joining import people
from oms.merchants.models import Channel, Merchant, MerchantApplication
from orders.fulfilling import allocating, splitting
from orders.models import Order
from orders.reviewing import deciding
from payments.taking import recording
from tests import factories, steps
from tests.admin.conftest import client_of

_names = count(1)


@dataclass(frozen=True)
class Seller:
    """A merchant of the marketplace with a channel, two SKUs, and 1,000 units of each in its own warehouse."""

    merchant: Merchant
    channel: Channel
    warehouse: Warehouse
    sku: Sku
    other_sku: Sku

    def orders(self, number: int = 1, *lines: "tuple[Sku, int, str]", **changes: object) -> list[WarehouseOrder]:
        """So many orders, paid on delivery unless told otherwise, that the warehouse was sent."""
        placed = [
            factories.place(
                factories.order_body(
                    *(lines or [(self.sku, 2, "10.00")]),
                    **{"payment_method": "cod", "source": self.channel.code, **changes},
                ),
                self.merchant,
            )
            for _ in range(number)
        ]
        stages = (recording.book_collected, deciding.run, splitting.run, allocating.run, releasing.run, sending.run)
        factories.run(*stages)
        return [self.work(order) for order in placed]

    def work(self, order: Order) -> WarehouseOrder:
        """The newest warehouse order of an order of one part."""
        return steps.work_of(order.sub_orders.get())


def make_seller() -> Seller:
    """Such a merchant."""
    install_default_carriers()
    factories.RegionFactory()
    merchant = factories.MerchantFactory()
    warehouse = opening.open_warehouse(
        merchant, NewWarehouse("自营仓", "北京市东城区中山路1号", contact_name="李", contact_phone="13800002222")
    )
    skus = [factories.SkuFactory(merchant=merchant, list_price=Decimal("10.00")) for _ in range(2)]
    for sku in skus:
        factories.StockFactory(sku=sku, warehouse=warehouse, on_hand=1000)
    return Seller(merchant, factories.ChannelFactory(merchant=merchant), warehouse, *skus)


def person_of(merchant: Merchant, role: str = "administrator", language: str = "en") -> Client:
    """A client in which somebody of the merchant, of that role, is logged in by the login page."""
    name = f"p{next(_names)}"
    password = people.add(merchant, name, role=role)
    OneTimePassword.objects.filter(user__username=name).delete()
    client = Client(headers={"accept-language": language})
    answer = client.post("/merchant/login/", {"username": name, "password": password})
    assert answer["Location"] == "/merchant/", answer.content
    client.session_name = name  # type: ignore[attr-defined]
    return client


def joined(code: str) -> tuple[Merchant, APIClient]:
    """A company that applied, was approved by staff, and made its key itself, all on the pages; with a client that
    calls by the key's token. Needs a MEDIA_ROOT of the test's own."""
    public, name = Client(headers={"accept-language": "en"}), f"p{next(_names)}"
    form = {
        "company": "北京示例贸易有限公司",
        "credit_code": "91110000600037341L",
        "legal_representative": "张华",
        "contact_name": "李明",
        "contact_phone": "13800001111",
        "contact_email": "li@example.com",
    }
    licence = SimpleUploadedFile("licence.pdf", b"%PDF-1.7 licence")
    page = public.post("/apply/", {**form, "wanted_code": code, "documents": licence})["Location"]
    row = MerchantApplication.objects.get(reference=page.rstrip("/").rpartition("/")[2])
    staff = client_of("view_merchantapplication", "approve_merchantapplication")
    approval = {"version": row.version, "code": code, "name": "示例", "kind": "marketplace", "username": name}
    staff.post(reverse("admin:merchants_merchantapplication_approve", args=[row.pk]), approval)
    chosen = {"password": "correct-horse-9", "again": "correct-horse-9"}
    assert public.post(f"{page}password/", chosen)["Location"] == "/merchant/login/"
    public.post("/merchant/login/", {"username": name, "password": "correct-horse-9"})
    wanted = {"name": "main", "scopes": list(scopes.ALL), "allowed_networks": "", "with_token": "on"}
    shown = public.post(reverse("merchant:merchants_apicredential_add"), wanted).content.decode()
    token = re.search(r"oms_[A-Za-z0-9_-]{20,}", shown)
    assert token is not None, shown
    client = APIClient(headers={"accept-language": "en"})
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token[0]}")
    return Merchant.objects.get(code=code), client
