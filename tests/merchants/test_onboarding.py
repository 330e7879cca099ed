"""From an application to the first order; suspension; who may do what."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from oms.common.messages import sending
from oms.common.messages.writing import install_defaults
from oms.merchants.joining import onboarding
from oms.merchants.models import (
    ApiCredential,
    ApplicationDocument,
    Channel,
    Merchant,
    MerchantApplication,
    MerchantEvent,
    MerchantUser,
)
from tests import factories, steps
from tests.admin.conftest import client_of
from tests.api.calls import ORDERS, errors_of, send
from tests.pipeline.test_races import in_thread

pytestmark = pytest.mark.django_db

PDF = b"%PDF-1.7 licence"
FIELDS = {
    "company": "北京示例贸易有限公司",
    "credit_code": "91110000600037341L",
    "legal_representative": "张华",
    "contact_name": "李明",
    "contact_phone": "13800001111",
    "contact_email": "li@example.com",
    "wanted_code": "EXAMPLE",
    "kind": "marketplace",
    "remarks": "",
}
APPROVE = {"code": "EXAMPLE", "name": "示例", "kind": "marketplace", "username": "example"}


@pytest.fixture(autouse=True)
def _own_media(settings: Any, tmp_path: Path) -> None:
    settings.MEDIA_ROOT = tmp_path


def licence(content: bytes = PDF, name: str = "licence.pdf") -> SimpleUploadedFile:
    """A file to upload."""
    return SimpleUploadedFile(name, content)


def apply(client: Client | None = None, address: str = "/apply/", **changes: Any) -> Any:
    """Send the public form in English."""
    client = client or Client(headers={"accept-language": "en"})
    return client.post(address, {**FIELDS, "documents": [licence()], **changes})


def application(**changes: Any) -> MerchantApplication:
    """An application that came in by the form."""
    assert apply(**changes).status_code == 302
    return MerchantApplication.objects.latest("id")


def decide(client: Client, row: MerchantApplication, action: str, **data: Any) -> Any:
    """Post one of the staff's actions for the version that they look at."""
    row = MerchantApplication.objects.get(pk=row.pk)
    address = reverse(f"admin:merchants_merchantapplication_{action}", args=[row.pk])
    return client.post(address, {"version": row.version, **data}, follow=True)


@pytest.fixture
def reviewer(db: None) -> Client:
    """Somebody who decides on applications."""
    return client_of("view_merchantapplication", "approve_merchantapplication", "reject_merchantapplication")


def test_an_application_is_kept_with_its_files_and_can_be_looked_at_by_its_address_only() -> None:
    answer = apply(documents=[licence(), licence(b"\x89PNG\r\n\x1a\nxx", "x.png")])

    row = MerchantApplication.objects.get()
    assert answer["Location"] == f"/apply/{row.reference}/"
    assert len(row.reference) == 25
    page = Client(headers={"accept-language": "en"}).get(answer["Location"]).content.decode()
    assert row.company in page
    assert "Submitted" in page
    assert row.contact_phone not in page
    assert [(d.name, d.media_type, d.size) for d in row.documents.all()] == [
        ("licence.pdf", "application/pdf", len(PDF)),
        ("x.png", "image/png", 10),
    ]
    assert row.documents.first().file.read() == PDF
    assert [event.kind for event in row.events.all()] == ["submitted"]
    assert Client().get("/apply/A0000/").status_code == 404


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("credit_code", "91110000600037341K", "no unified social credit code"),
        ("credit_code", "123", "no unified social credit code"),
        ("contact_phone", "12345", "Chinese phone number"),
        ("contact_email", "x", "valid email"),
        ("wanted_code", "商家", "letters, digits"),
        ("company", "", "required"),
        ("website", "http://spam.example", "correct what is marked"),
        ("documents", [], "required"),
        ("documents", [licence(b"MZ executable", "licence.pdf")], "no PDF, PNG or JPEG"),
        ("documents", [licence(b"<svg onload=alert(1)>", "x.svg")], "no PDF, PNG or JPEG"),
        ("documents", [licence(PDF + b"x" * onboarding.MAX_FILE_BYTES)], "larger than 10 MB"),
        ("documents", [licence() for _ in range(6)], "at most 5"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_kept(field: str, value: Any, told: str, tmp_path: Path) -> None:
    answer = apply(**{field: value})
    assert answer.status_code == 400
    assert told in answer.content.decode()
    assert not MerchantApplication.objects.exists()
    # Files that are right are kept for the next try, and no others; nothing of a program that fills in every field.
    kept = ApplicationDocument.objects.count()
    assert kept == len(list(tmp_path.rglob("*.*")))
    if field == "documents":
        assert kept == (5 if len(value) > 5 else 0)
    else:
        assert kept == (0 if field == "website" else 1)


def test_chosen_files_and_typed_text_survive_an_error(tmp_path: Path) -> None:
    client = Client(headers={"accept-language": "en"})
    page = apply(client, contact_phone="1").content.decode()
    assert FIELDS["company"] in page
    assert "licence.pdf" in page
    (kept,) = re.findall(r'name="kept" value="([^"]+)"', page)

    forged = apply(client, documents=[], kept=f"{kept}x")
    assert forged.status_code == 400
    assert apply(client, documents=[], kept=kept).status_code == 302

    row = MerchantApplication.objects.get()
    assert [document.name for document in row.documents.all()] == ["licence.pdf"]
    # What one application has, no other form can take.
    assert apply(client, documents=[], kept=kept, credit_code="91350100M000100Y43").status_code == 400
    with time_machine.travel(timezone.now() + timedelta(days=2)):
        assert onboarding.purge_kept_files() == 0
        apply(client, contact_phone="1")
    with time_machine.travel(timezone.now() + timedelta(days=4)):
        assert onboarding.purge_kept_files() == 1
    assert len(list(tmp_path.rglob("*.*"))) == 1


def test_outsiders_cannot_choose_to_be_self_operated() -> None:
    assert "Self-operated" not in Client(headers={"accept-language": "en"}).get("/apply/").content.decode()
    assert application(kind="self_operated").kind == "marketplace"


def test_errors_of_the_service_stand_at_their_fields() -> None:
    factories.MerchantFactory(code="EXAMPLE")
    answer = apply(wanted_code="example")
    assert answer.status_code == 409
    assert answer.context["form"].errors.keys() == {"wanted_code"}
    assert application(wanted_code="OTHER")
    assert apply(wanted_code="THIRD").context["form"].errors.keys() == {"credit_code"}


def test_applications_are_found_by_a_part_of_the_companys_name(reviewer: Client) -> None:
    row = application()
    found = {
        text: [
            one.pk
            for one in reviewer.get("/admin/merchants/merchantapplication/", {"q": text}).context["cl"].result_list
        ]
        for text in (row.company[2:5], row.contact_name, row.wanted_code, "nobody")
    }
    assert found == {row.company[2:5]: [row.pk], row.contact_name: [row.pk], row.wanted_code: [row.pk], "nobody": []}


def test_the_history_names_the_applicant_in_the_readers_language(reviewer: Client) -> None:
    page = f"/admin/merchants/merchantapplication/{application().pk}/change/"
    shown = reviewer.get(page, headers={"accept-language": "zh-hans"}).content.decode()
    assert "· 申请人" in shown
    assert "applicant" not in shown


def test_staff_and_applicant_are_told_of_it(reviewer: Client, settings: Any) -> None:
    install_defaults()
    settings.APPLICATIONS_MAIL, settings.PUBLIC_URL = "staff@example.com", "https://oms.example"
    row = application()
    assert steps.tickets() == [("application_to_decide", "")]
    decide(reviewer, row, "reject", reason="The licence cannot be read.")
    assert steps.tickets() == []
    apply(address=f"/apply/{row.reference}/change/", documents=[])
    decide(reviewer, row, "approve", **APPROVE)
    assert steps.tickets() == []

    factories.run(sending.MAIL.run)

    letters = [(letter.to, letter.subject) for letter in mail.outbox]
    theirs, ours = ["li@example.com"], ["staff@example.com"]
    assert letters == [
        (theirs, "We have your application"),
        (ours, "A company applies"),
        (theirs, "Your application was sent back"),
        (theirs, "We have your application"),
        (ours, "A company applies"),
        (theirs, "Your application was approved"),
    ]
    assert f"https://oms.example/apply/{row.reference}/" in mail.outbox[0].body
    assert "https://oms.example/merchant/" in mail.outbox[-1].body
    assert "log in as example at" in mail.outbox[-1].body


def test_the_applicant_chooses_the_password_once(reviewer: Client) -> None:
    row = application()
    page = f"/apply/{row.reference}/"
    client = Client(headers={"accept-language": "en"})
    good = {"password": "correct-horse-9", "again": "correct-horse-9"}
    assert client.post(f"{page}password/", good).status_code == 409
    decide(reviewer, row, "approve", **APPROVE)
    assert "example" in client.get(page).content.decode()
    for wrong in ({**good, "again": "x"}, {"password": "1234", "again": "1234"}, {}):
        assert client.post(f"{page}password/", wrong).status_code == 400
    assert client.post(f"{page}password/", good)["Location"] == "/merchant/login/"
    again = client.post(f"{page}password/", {"password": "another-horse-9", "again": "another-horse-9"})
    assert again.status_code == 409
    form = {"username": "example", "password": "correct-horse-9"}
    assert client.post("/merchant/login/", form)["Location"] == "/merchant/"
    assert client.get("/merchant/").status_code == 200


def test_a_company_applies_once_at_a_time() -> None:
    application()
    answer = apply(wanted_code="OTHER", credit_code="91110000600037341l")
    assert answer.status_code == 409
    assert "application of this company already" in answer.content.decode()
    assert MerchantApplication.objects.count() == 1
    assert ApplicationDocument.objects.exclude(application=None).count() == 1


def test_one_address_sends_few_applications_an_hour(settings: Any) -> None:
    settings.APPLICATIONS_PER_HOUR = 0
    assert apply().status_code == 429
    assert not ApplicationDocument.objects.exists()
    assert not MerchantApplication.objects.exists()


def test_the_form_is_guarded_against_other_sites() -> None:
    assert Client(enforce_csrf_checks=True).post("/apply/", FIELDS).status_code == 403


def test_a_rejected_application_is_changed_and_submitted_again(reviewer: Client) -> None:
    row = application()
    assert apply(address=f"/apply/{row.reference}/change/", company="x").status_code == 302
    assert MerchantApplication.objects.get().company == FIELDS["company"]
    assert "Reason" in decide(reviewer, row, "reject", reason="").content.decode()
    assert MerchantApplication.objects.get().state == "submitted"

    decide(reviewer, row, "review")
    decide(reviewer, row, "reject", reason="The licence cannot be read.")
    client = Client(headers={"accept-language": "en"})
    assert "The licence cannot be read." in client.get(f"/apply/{row.reference}/").content.decode()
    again = apply(client, f"/apply/{row.reference}/change/", company="新名称", documents=[])

    assert again["Location"] == f"/apply/{row.reference}/"
    row = MerchantApplication.objects.get()
    assert (row.state, row.company, row.documents.count()) == ("submitted", "新名称", 1)
    assert [(event.kind, bool(event.note)) for event in row.events.all()] == [
        ("submitted", False),
        ("review_started", False),
        ("rejected", True),
        ("resubmitted", False),
    ]


def test_approval_makes_a_merchant_that_sends_its_first_order(reviewer: Client) -> None:
    row = application()
    page = decide(reviewer, row, "approve", **{**APPROVE, "username": "example-li"})

    merchant = Merchant.objects.get(code="EXAMPLE")
    assert (merchant.status, merchant.name) == ("active", "示例")
    assert Channel.objects.get(merchant=merchant).code == "EXAMPLE"
    assert MerchantApplication.objects.get().merchant == merchant
    approved = page.context["approved"]
    assert "no-store" in page["Cache-Control"]
    assert approved.issued.secret in page.content.decode()
    assert approved.password in page.content.decode()
    again = reviewer.get(reverse("admin:merchants_merchantapplication_change", args=[row.pk])).content.decode()
    assert approved.issued.secret not in again

    client = factories.SignedClient(approved.issued.credential.app_key, approved.issued.secret)
    sku = factories.SkuFactory(merchant=merchant)
    factories.StockFactory(sku=sku)
    assert send(client, factories.order_body(sku)).status_code == 201
    people = Client()
    form = {"username": "example-li", "password": approved.password}
    assert people.post("/merchant/login/", form)["Location"] == "/merchant/"
    assert people.get("/merchant/")["Location"] == "/merchant/password_change/"
    user = MerchantUser.objects.get().user
    assert (user.is_staff, user.is_superuser) == (False, False)


def test_a_second_approval_and_a_stale_one_change_nothing(reviewer: Client) -> None:
    row = application()
    stale = reverse("admin:merchants_merchantapplication_approve", args=[row.pk])
    onboarding.start_review(row.pk, actor="wang")
    assert "changed meanwhile" in reviewer.post(stale, {"version": 1, **APPROVE}, follow=True).content.decode()
    assert not Merchant.objects.exists()
    decide(reviewer, row, "approve", **APPROVE)
    decide(reviewer, row, "approve", **{**APPROVE, "code": "OTHER"})
    decide(reviewer, row, "reject", reason="x")
    assert Merchant.objects.count() == ApiCredential.objects.count() == 1
    assert MerchantApplication.objects.get().state == "approved"


def test_a_code_or_login_that_is_taken_is_told_and_nothing_is_made(reviewer: Client) -> None:
    factories.UserFactory(username="li")
    row = application()
    factories.MerchantFactory(code="EXAMPLE")
    assert "code EXAMPLE is taken" in decide(reviewer, row, "approve", **APPROVE).content.decode()
    page = decide(reviewer, row, "approve", **{**APPROVE, "code": "NEW", "username": "li"})
    assert "login name li is taken" in page.content.decode()
    assert Merchant.objects.count() == 1
    assert MerchantApplication.objects.get().state == "submitted"


@pytest.mark.parametrize(
    ("rights", "action"),
    [
        (["view_merchantapplication"], "approve"),
        (["view_merchantapplication"], "reject"),
        (["view_merchantapplication", "approve_merchantapplication"], "reject"),
        (["view_merchantapplication", "reject_merchantapplication"], "approve"),
        (["approve_merchantapplication"], "approve"),
    ],
)
def test_each_decision_is_a_right_of_its_own(rights: list[str], action: str) -> None:
    row = application()
    clerk = client_of(*rights)
    assert decide(clerk, row, action, **APPROVE, reason="x").status_code == 403
    assert MerchantApplication.objects.get().state == "submitted"


def test_decisions_are_posted_only(reviewer: Client) -> None:
    row = application()
    for action in ("approve", "reject", "review"):
        address = reverse(f"admin:merchants_merchantapplication_{action}", args=[row.pk])
        assert reviewer.get(address).status_code == 405


def test_files_are_served_to_staff_with_the_right_only_and_as_downloads(reviewer: Client) -> None:
    row = application()
    address = reverse("admin:merchants_merchantapplication_document", args=[row.documents.get().pk])
    answer = reviewer.get(address)
    assert b"".join(answer.streaming_content) == PDF
    assert answer["Content-Disposition"].startswith("attachment")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert client_of("view_order").get(address).status_code == 403
    assert Client().get(address).status_code == 302
    assert Client().get(f"/media/{row.documents.get().file.name}").status_code == 404


def test_the_database_refuses_a_decision_past_the_service() -> None:
    row = application()
    for state in ("approved", "rejected"):
        with pytest.raises(DatabaseError), transaction.atomic():
            MerchantApplication.objects.filter(pk=row.pk).update(state=state)


@pytest.mark.django_db(transaction=True)
def test_two_reviewers_approve_once() -> None:
    row = application()

    def approve(code: str) -> bool:
        try:
            onboarding.approve(row.pk, code=code, name=code, kind="marketplace", actor=code)
        except onboarding.NotOpen:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        works = [in_thread(pool, lambda code=code: approve(code)) for code in ("ONE", "TWO")]
        assert sorted(work.result(20) for work in works) == [False, True]
    assert Merchant.objects.count() == 1


def test_a_suspended_merchant_is_refused_and_its_orders_go_on(shop: factories.Shop) -> None:
    order = shop.place_order(payment_method="cod")
    signed, token = factories.signed_client_of(shop.merchant), factories.client_of(shop.merchant)
    chief = client_of("view_merchant", "suspend_merchant")

    def act(action: str, reason: str) -> str:
        address = reverse(f"admin:merchants_merchant_{action}", args=[shop.merchant.pk])
        return chief.post(address, {"reason": reason}, follow=True).content.decode()

    assert "Reason" in act("suspend", "")
    assert Merchant.objects.get().status == "active"
    act("suspend", "Complaints")
    for client in (signed, token):
        response = client.get(ORDERS)
        assert (response.status_code, errors_of(response)) == (401, {(None, "merchant_suspended")})
    from orders.fulfilling import splitting
    from orders.reviewing import deciding

    factories.run(deciding.run, splitting.run)
    assert type(order).objects.get(pk=order.pk).state == "split"
    assert "already" in act("suspend", "again")
    page = act("resume", "Settled")
    assert signed.get(ORDERS).status_code == 200
    assert [(event.kind, event.note) for event in MerchantEvent.objects.all()] == [
        ("suspended", "Complaints"),
        ("resumed", "Settled"),
    ]
    assert "Complaints" in page


def test_the_status_is_no_field_of_the_form(shop: factories.Shop, db: None) -> None:
    boss = client_of(is_superuser=True)
    address = reverse("admin:merchants_merchant_change", args=[shop.merchant.pk])
    form = {"name": "x", "kind": "marketplace", "settlement_days": 1, "commission_rate": "0.1", "status": "suspended"}
    form["settlement_period"] = "weekly"
    assert boss.post(address, form).status_code == 302
    merchant = Merchant.objects.get()
    assert (merchant.name, merchant.status) == ("x", "active")
    clerk = client_of("view_merchant", "change_merchant")
    assert (
        clerk.post(reverse("admin:merchants_merchant_suspend", args=[merchant.pk]), {"reason": "x"}).status_code == 403
    )
