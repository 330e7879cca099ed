"""Bills that are refused say why, with row and column, and change nothing; by upload, command and download."""

import io
import json
import zipfile
from datetime import date

import pytest
from django.contrib.auth.models import Permission
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.urls import reverse

from oms.common.models import Connection
from payments import providers
from payments.models import Bill, BillDay, BillForm, BillMatch, BillRow, BillSource, LedgerEntry
from payments.reconciling import downloading, importing
from payments.reconciling.files import RefusedBill
from payments.taking import recording
from tests import factories
from tests.reconciling import world

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("in_english")]
TRADE, FUND = "alipay-trade-20261123.csv", "alipay-fund-20261123.csv"
WECHAT, FLOW = "wechat-trade-20261123.csv", "wechat-fundflow-20261123.csv"
COD, BANK = "cod-remittance-jd-20261123.csv", "bank-statement-20261123.csv"
GBK = (TRADE, FUND, BANK)


@pytest.fixture
def sources(db):
    return world.make_sources()


def refusal(sources, name: str, content: bytes, **options) -> str:
    with pytest.raises(RefusedBill) as refused:
        importing.import_bill(sources[world.FILES[name]].pk, content, file_name=name, by="li", **options)
    assert not any(model.objects.exists() for model in (Bill, BillRow, BillMatch, BillDay, LedgerEntry))
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "old", "new", "says"),
    [
        (TRADE, "20880000000000010156", "2099", "The bill is of account 2099, not of 20880000000000010156."),
        (
            WECHAT,
            "`1900000001,`0,`,`42000026002026112300000008",
            "`7,`0,`,`42000026002026112300000008",
            "Row 12, column “商户号”: the bill is of account 7, not of 1900000001.",
        ),
        (BANK, "6222000000000000001\t", "1\t", "The bill is of account 1, not of 6222000000000000001."),
        (
            TRADE,
            "2026-11-23 10:20:15",
            "2026-11-24 10:20:15",
            "Row 9, column “完成时间”: 2026-11-24 is no day of a bill of 2026-11-23.",
        ),
        (
            WECHAT,
            "`2026-11-23 17:00:00",
            "`2026-11-22 17:00:00",
            "Row 12, column “交易时间”: 2026-11-22 is no day of a bill of 2026-11-23.",
        ),
        (
            FUND,
            "2026-11-23 23:10:00",
            "2026-11-25 23:10:00",
            "Row 33, column “发生时间”: 2026-11-25 is no day of a bill of 2026-11-23.",
        ),
        (TRADE, "12笔", "13笔", "The file's totals lack 2 rows, and 1 rows cannot be read."),
        (TRADE, "-118.90", "-118.91", "“退款合计” says 2 rows and 118.91 yuan; the rows come to 2 and 118.90."),
        (FUND, "433.02", "433.03", "“支出合计” says 14 rows and 433.03 yuan; the rows come to 14 and 433.02."),
        (
            FLOW,
            "`1459.25,`12",
            "`1459.20,`12",
            "“收入” says 10 rows and 1459.20 yuan; the rows come to 10 and 1459.25.",
        ),
        (COD, ",950.30,", ",950.31,", "“代收金额” says – rows and 950.31 yuan; the rows come to 7 and 950.30."),
        (COD, "7笔", "8笔", "“合计” says 8 rows and – yuan; the rows come to 7 and 0."),
        (BANK, "322.20", "322.21", "“支出合计” says – rows and 322.21 yuan; the rows come to 3 and 322.20."),
        (TRADE, "商家实收（元）", "商家（元）", "No line of the file has all of these columns"),
        (WECHAT, "总交易单数", "单数", "The file has no totals at its end: it was cut off."),
    ],
)
def test_a_bill_that_is_not_what_it_should_be_is_refused(sources, name, old, new, says):
    encoding = "gb18030" if name in GBK else "utf-8"
    text = (world.BILLS / name).read_bytes().decode(encoding)
    assert old in text

    assert refusal(sources, name, text.replace(old, new).encode(encoding)).startswith(says)


@pytest.mark.parametrize("name", [TRADE, FUND, WECHAT, FLOW])
def test_a_file_that_was_cut_off_is_refused(sources, name):
    content = (world.BILLS / name).read_bytes()

    assert refusal(sources, name, content[: len(content) * 2 // 3])


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "No line of the file has all of these columns"),
        (b"PK\x03\x04broken", "The archive is damaged"),
        (b"\x1f\x8bbroken", "The archive is damaged"),
        (b"\x00\x01\x02" * 100, "The file is no text."),
        (b"\xff\xff\xff\xff,1", "The file is neither UTF-8 nor GB 18030."),
    ],
)
def test_what_is_no_bill_is_refused(sources, content, says):
    assert refusal(sources, TRADE, content).startswith(says)


def test_a_bill_of_another_day_than_was_said_is_refused(sources):
    content = (world.BILLS / TRADE).read_bytes()

    assert refusal(sources, TRADE, content, day=date(2026, 11, 22)) == "The bill is of 2026-11-23, not of 2026-11-22."


def test_an_archive_with_no_such_file_is_refused(sources):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("x.csv", "1")

    assert refusal(sources, TRADE, packed.getvalue()) == "The archive has no file “业务明细”, or several."


def test_archives_are_read_like_their_files(sources):
    world.read(sources[BillForm.ALIPAY_TRADE], "alipay-trade-20261123.csv.zip")
    rows = BillRow.objects.count()
    world.read(sources[BillForm.ALIPAY_TRADE], TRADE)
    assert BillRow.objects.count() == rows == 15

    world.read(sources[BillForm.WECHAT_FUND], "wechat-fundflow-20261123.csv.gz")
    world.read(sources[BillForm.WECHAT_FUND], FLOW)
    assert Bill.objects.count() == 2


def test_an_empty_day_is_read_once_the_day_is_said(sources):
    lines = (world.BILLS / WECHAT).read_bytes().decode().split("\r\n")
    empty = "\r\n".join([lines[0], lines[-3], "`0,`0.00,`0.00,`0.00,`0.00000,`0.00,`0.00"]).encode()

    assert refusal(sources, WECHAT, empty) == "The file does not say of which day it is: name the day."
    world_bill = importing.import_bill(
        sources[BillForm.WECHAT_TRADE].pk, empty, file_name="x", by="li", day=date(2026, 11, 23)
    )
    assert world_bill.row_count == 0


def test_the_file_is_kept_sealed(sources):
    bill = world.read(sources[BillForm.BANK], BANK)

    assert importing.file_of(bill) == (world.BILLS / BANK).read_bytes()
    assert b"6217000000000000888" not in bytes(Bill.objects.get().content)


def test_a_mapping_names_other_columns(sources):
    source = sources[BillForm.COD]
    source.mapping = {"columns": {"waybill": "单号", "amount": "货款"}, "totals": {}}
    source.save()
    content = "单号,货款,手续费,返款日期\nW1,10.00,1.00,2026-11-23\nW2,x,1.00,2026-11-23\n".encode("gb18030")
    importing.import_bill(source.pk, content, file_name="x.csv", by="li")

    rows = BillRow.objects.order_by("line").values_list("own_number", "kind", "amount_fen", "problem")
    assert list(rows) == [("W1", "payment", 1000, ""), ("W2", "malformed", 0, "货款")]


# --- Doors


def _client(client, *rights: str):
    user = factories.UserFactory()
    user.user_permissions.set(Permission.objects.filter(codename__in=rights))
    client.force_login(user)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


def test_a_bill_is_uploaded_on_its_page_and_leads_to_its_day(client, sources):
    clerk = _client(client, "view_bill", "upload_bill", "view_billday", "view_billmatch", "view_billrow")
    address = reverse("admin:payments_bill_upload")
    assert clerk.get(address).status_code == 200
    content = (world.BILLS / TRADE).read_bytes()
    source = sources[BillForm.ALIPAY_TRADE].pk

    wrong = clerk.post(address, {"source": source, "day": "2026-11-22", "file": SimpleUploadedFile("a.csv", content)})
    assert wrong.status_code == 400
    assert "The bill is of 2026-11-23, not of 2026-11-22." in wrong.content.decode()
    page = clerk.post(address, {"source": source, "file": SimpleUploadedFile("a.csv", content)}, follow=True)

    assert page.redirect_chain[0][0] == reverse("admin:payments_billday_change", args=[BillDay.objects.get().pk])
    assert sum(group["count"] for group in page.context["groups"]) == 15
    assert Bill.objects.get().file_name == "a.csv"
    for name in ("bill", "billday", "billmatch", "billrow"):
        assert clerk.get(reverse(f"admin:payments_{name}_changelist")).status_code == 200


def test_the_upload_needs_its_right(client, sources):
    clerk = _client(client, "view_bill")

    assert clerk.get(reverse("admin:payments_bill_upload")).status_code == 403


def test_the_command_reads_a_bill(sources, capsys):
    call_command("import_bill", "jd", "cod", str(world.BILLS / COD))
    assert capsys.readouterr().out == f"{COD}: 8 rows, 8 of them new\n"

    with pytest.raises(CommandError, match="There is no source of bills jd bank"):
        call_command("import_bill", "jd", "bank", str(world.BILLS / COD))


def test_bills_are_fetched_once_from_providers_that_can(sources, monkeypatch, time_machine):
    time_machine.move_to("2026-11-24T10:30:00+08:00")
    asked = []

    class Billing:
        def bill(self, link, day, forms):
            assert set(forms) == {"alipay_trade", "alipay_fund"}
            asked.append((link.code, day))
            if day != date(2026, 11, 23):
                raise OSError("not there")
            return {
                "alipay_trade": (world.BILLS / TRADE).read_bytes(),
                "alipay_fund": (world.BILLS / FUND).read_bytes(),
            }

    monkeypatch.setattr(providers, "get_billing", lambda protocol: Billing() if protocol == "alipay" else None)

    assert downloading.download_due() == 2
    assert [day.day for _link, day in asked] == [20, 21, 22, 23]
    asked.clear()
    assert downloading.download_due() == 0
    assert [day.day for _link, day in asked] == [20, 21, 22]


def test_staff_say_how_a_platforms_settlement_bill_is_laid_out_and_it_is_read_so(client, sources, shop):
    link = Connection.objects.create(code="platform-1", kind="channel", protocol="json")
    order = shop.place_order(
        (shop.sku, 1, "26.00"),
        freight_amount="0.00",
        external_number="KS-1",
        collected={"amount": "26.00", "paid_at": "2026-11-23T10:00:00+08:00", "transaction": "T1"},
    )
    factories.run(recording.book_collected)
    mapping: dict[str, object] = {
        "columns": {"number": "Settle ID", "day": "Date", "order": "Order No", "amount": "Paid", "fee": "Commission",
                    "net": "Income"},
        "totals": {"label": "Total"},
        "labels": {"account": "Shop"},
    }  # fmt: skip
    add = reverse("admin:payments_billsource_add")
    body = {"connection": link.pk, "form": "settlement", "account": "KS-SHOP", "fee_minimum_fen": 0, "days_to_remit": 7}
    body |= {"mapping": json.dumps(mapping), "is_active": "on"}
    assert _client(client, "view_billsource").post(add, body).status_code == 403
    clerk = _client(client, "view_billsource", "add_billsource", "change_billsource")
    assert clerk.post(add, body).status_code == 302
    source = BillSource.objects.get(form="settlement")

    wrong = {**body, "mapping": json.dumps({"columns": {"colour": "x"}})}
    page = clerk.post(reverse("admin:payments_billsource_change", args=[source.pk]), wrong)
    assert "“columns” is an object with some of" in page.content.decode()
    content = (
        "Shop,KS-SHOP\nIncome,Paid,Order No,Commission,Date,Settle ID\n"
        f"24.70,26.00,{order.external_number},1.30,2026-11-24,K1\nTotal,26.00,,1.30,,\n"
    )
    importing.import_bill(source.pk, content.encode(), file_name="ks.csv", by="li")
    match = BillMatch.objects.get(source=source)
    assert (match.key, match.outcome, match.amount_fen, match.payment.order) == ("K1", "matched", 2600, order)

    # The platform changes its file; so do staff.
    mapping["columns"] = {**mapping["columns"], "number": "Bill ID"}  # type: ignore[dict-item]
    change = reverse("admin:payments_billsource_change", args=[source.pk])
    assert clerk.post(change, {**body, "mapping": json.dumps(mapping)}).status_code == 302
    with pytest.raises(RefusedBill):
        importing.import_bill(source.pk, content.replace("K1", "K2").encode(), file_name="old.csv", by="li")
    newer = content.replace("Settle ID", "Bill ID").replace("K1", "K2").encode()
    importing.import_bill(source.pk, newer, file_name="new.csv", by="li")
    assert BillMatch.objects.filter(source=source).count() == 2


def test_cash_whose_row_cannot_be_read_is_not_missed_besides(shop, sources):
    world.load_books(shop, sources)
    source, whole = sources[BillForm.COD], (world.BILLS / COD).read_text(encoding="utf-8-sig")
    assert "2026-11-20 11:02:00,239.00," in whole
    cut = whole.replace("2026-11-20 11:02:00,239.00,", "2026-11-20 11:02:00,?,")
    importing.import_bill(source.pk, cut.encode(), file_name="x.csv", by="li")
    nothing = f"{whole.splitlines()[0]}\r\n合计,,,,,0.00,0.00,0.00,0笔,\r\n"

    importing.import_bill(source.pk, nothing.encode(), file_name="y.csv", by="li", day=date(2026, 12, 15))

    found = BillMatch.objects.filter(source=source, key="JDVB00000000001").values_list("outcome", flat=True)
    assert list(found) == ["malformed_row"]
    assert world.broken() == []
