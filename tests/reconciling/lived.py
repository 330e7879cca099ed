"""A month of real orders, lived through: placed, paid over two providers or at the door, partly cancelled and returned,
delivered, completed, settled and invoiced by the stages that do it; and the month's bills, with differences planted."""

import csv
import gzip
import json
import random
import shutil
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import cycle, islice
from pathlib import Path

from django.contrib.auth.models import User
from django.db import connection, connections
from django.db.models import QuerySet
from django.db.models.functions import Now

from inventory import receiving
from logistics.carriers.defaults import install_default_carriers
from logistics.models import Carrier, Shipment
from oms.benchmarks import stage
from oms.common.models import Connection, SystemKind, Topic
from oms.common.work import clock, facts
from oms.common.work.claiming import run_until_empty
from oms.common.zones import CHINA
from oms.merchants.models import Merchant
from oms.pipeline import PIPELINE
from oms.simulators.nuonuo import ISSUES_AFTER_SECONDS, NuonuoPeer
from orders.actors import Actor
from orders.changing.units import cancel_units
from orders.intake.bodies import InvoiceBody
from orders.models import ActorKind, Order, OrderLine, OrderState, StockWait, SubOrderLine, SubOrderState
from orders.reviewing import versions
from payments.granting import deciding, limits
from payments.granting.previewing import Wanted
from payments.invoicing import advancing, asking, planning
from payments.models import BillForm, BillSource, GrantKind, Invoice, Means, Payment, PaymentState, Refund, RefundState
from tests import factories, fakes, steps
from tests.invoicing import world as invoicing
from tests.reconciling import papers
from tests.reconciling.papers import Row
from tests.reconciling.planting import Bills

FIRST = datetime(2026, 10, 1, tzinfo=CHINA)
DAYS = 31
_BATCH = 1000
_RESTOCKED = 1000
_UNITS = ("sub_order__order_id", "order_line__position", "quantity")
_OF_PAYMENTS = (
    *("amount_differs", "fee_differs", "order_without_money", "double_payment", "duplicate_row", "malformed_row"),
    *("paid_without_order", "paid_but_pending"),
)
_OF_REFUNDS = (
    *("amount_differs", "fee_differs", "order_without_money", "duplicate_row", "malformed_row", "refund_not_ours"),
)
_OF_CASH = (
    *("amount_differs", "fee_differs", "order_without_money", "double_payment", "duplicate_row", "malformed_row"),
    *("paid_without_order", "refund_not_ours"),
)

# Units by the order's id and the line's position.
Chosen = Mapping[int, Mapping[int, int]]


@dataclass(slots=True)
class Month:
    """The orders of a folder of data, so many of them, and the chance by which everything happens to them; and how many
    differences its bills have."""

    folder: Path
    orders: int
    differences: int
    seed: int
    peer: NuonuoPeer
    chance: random.Random = field(init=False)
    links: list[Connection] = field(default_factory=list)
    bills: list[Bills] = field(default_factory=list)
    provider: fakes.FakeProvider = field(default_factory=fakes.FakeProvider)
    people: list[User] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)  # noqa: S311 - a test's

    # --- Orders

    def live(self) -> None:
        """Everything that happens to the orders. A tenth of their lines is cancelled or comes back, in part or whole;
        for a fifth of them an invoice is asked for."""
        self._prepare()
        stage.place(stage.order_lines(self.folder, self.orders), batch=_BATCH)
        with fakes.provider(self.provider):
            self._run("request_payment", "send_payment")
            self._pay()
            self._ask_for_invoices()
            chosen = self._tenth_of_the_lines()
            early, late = self._parted(chosen)
            self._cancel(early)
            self._run_all(without=("complete",))
            while self._restock():
                self._run_all(without=("complete",))
            self._cancel_what_nobody_has()
            self._run_all(without=("complete",))
            before, after = self._parted(late)
            self._give_back(before)
            self._run_all()
            self._give_back(after)
            self._run_all()
            self._tell_of_refunds()
            self._run_all()
        self._issue_invoices()

    def _prepare(self) -> None:
        stage.load(self.folder, stock_factor=20)
        # Nothing is held for a person.
        versions.switch_off()
        limits.install_defaults()
        install_default_carriers()
        for code in ("wechat", "alipay"):
            options = {"in_turn": True}
            link = Connection.objects.create(code=code, kind=SystemKind.PAYMENT, protocol="sandbox", options=options)
            self.links.append(link)
        self.people = [factories.UserFactory(is_superuser=True) for _person in range(2)]
        seller = Merchant.objects.get(kind=Merchant.Kind.SELF_OPERATED)
        company = invoicing.company_of(seller, invoicing.connect(self.peer))
        Merchant.objects.update(legal_entity=company)

    def _pay(self) -> None:
        """All but some of each provider pay within the month."""
        for link in self.links:
            waiting = list(Payment.objects.filter(connection=link, state=PaymentState.PENDING).order_by("pk"))
            unpaid = set(self.chance.sample(range(len(waiting)), 1 + self.differences // 20))
            news = [
                facts.News(
                    f"paid-{payment.number}",
                    "captured",
                    payment.number,
                    self._moment(),
                    {"amount": str(payment.amount), "transaction": f"T{payment.number}"},
                )
                for place, payment in enumerate(waiting)
                if place not in unpaid
            ]
            self._receive({link.pk: news})
        self._run("payment_facts")

    def _tell_of_refunds(self) -> None:
        """The providers tell of every refund that they were asked for."""
        news: dict[int, list[facts.News]] = {}
        for refund in Refund.objects.filter(state=RefundState.REQUESTED).select_related("payment").order_by("pk"):
            paid_at = refund.payment.captured_at
            assert paid_at
            left = FIRST + timedelta(days=DAYS, minutes=-30) - paid_at
            at = self._not_at_midnight(paid_at + left * self.chance.random())
            body = {"amount": str(refund.amount), "transaction": f"T{refund.number}"}
            told = facts.News(f"back-{refund.number}", "refunded", refund.number, at, body)
            news.setdefault(refund.connection_id or 0, []).append(told)
        self._receive(news)
        self._run("payment_facts")

    def _moment(self) -> datetime:
        """Some moment of the month."""
        return FIRST + timedelta(days=self.chance.randrange(DAYS), seconds=self.chance.randrange(23 * 3600))

    @staticmethod
    def _not_at_midnight(at: datetime) -> datetime:
        """Nobody can say in which bill what happens then is."""
        told = papers.china(at).replace(microsecond=0)
        return told.replace(hour=min(told.hour, 22))

    @staticmethod
    def _receive(news: Mapping[int, Sequence[facts.News]]) -> None:
        for connection_id, told in news.items():
            for start in range(0, len(told), _BATCH):
                facts.receive(connection_id, Topic.PAYMENT, told[start : start + _BATCH])

    def _ask_for_invoices(self) -> None:
        paid = Order.objects.exclude(state__in=[OrderState.AWAITING_PAYMENT, OrderState.CANCELLED])
        orders = list(paid.order_by("pk").values_list("pk", flat=True))
        for order_id in self.chance.sample(orders, len(orders) // 5):
            wish = {"kind": "ordinary", **self.chance.choice([invoicing.PERSON, invoicing.COMPANY])}
            asking.ask(order_id, InvoiceBody(**wish), actor=steps.STAFF)

    def _tenth_of_the_lines(self) -> Chosen:
        """Of each order the lines (positions) that are given up, with the units, from one to all."""
        paid = OrderLine.objects.exclude(order__state__in=[OrderState.AWAITING_PAYMENT, OrderState.CANCELLED])
        lines = list(paid.order_by("pk").values_list("order_id", "position", "quantity"))
        chosen: dict[int, dict[int, int]] = {}
        for order_id, position, units in self.chance.sample(lines, len(lines) // 10):
            chosen.setdefault(order_id, {})[position] = self.chance.randint(1, units)
        return chosen

    def _parted(self, chosen: Chosen) -> tuple[Chosen, Chosen]:
        early = {key for key in chosen if self.chance.random() < 0.5}
        return (
            {key: units for key, units in chosen.items() if key in early},
            {key: units for key, units in chosen.items() if key not in early},
        )

    def _cancel(self, chosen: Chosen) -> None:
        """Half of them before their order is split, the others after it."""
        before, after = self._parted(chosen)
        self._cancel_units(before)
        self._run("owing", "review", "split")
        self._cancel_units(after)

    def _cancel_units(self, chosen: Chosen) -> None:
        def cancel(_person: User, order_id: int) -> None:
            cancel_units(order_id, chosen[order_id], reason="x", actor=steps.STAFF)

        self._side_by_side(list(chosen), cancel)

    @staticmethod
    def _restock() -> bool:
        """What parts of orders wait for comes in, at one of the warehouses where they wait; whether any did."""
        waits = StockWait.objects.order_by("sub_order_id", "sku_id", "warehouse_id").distinct("sub_order_id", "sku_id")
        short = sorted(set(waits.values_list("warehouse_id", "sku_id")))
        for warehouse_id, sku_id in short:
            receiving.receive(warehouse_id, sku_id, _RESTOCKED, actor="li")
        return bool(short)

    def _cancel_what_nobody_has(self) -> None:
        """Parts of orders that wait for what no warehouse sells are cancelled."""
        self._cancel_units(_units(SubOrderLine.objects.filter(sub_order__state=SubOrderState.BACKORDERED)))

    def _give_back(self, chosen: Chosen) -> None:
        """The units come back, as far as their buyers have them."""
        had = SubOrderLine.objects.filter(
            sub_order__order__in=list(chosen), sub_order__state__in=[SubOrderState.DELIVERED, SubOrderState.COMPLETED]
        )
        wanted: dict[int, tuple[Mapping[int, int], str]] = {}
        for order_id, there in _units(had).items():
            units = {at: min(count, chosen[order_id][at]) for at, count in there.items() if at in chosen[order_id]}
            if units:
                wanted[order_id] = units, self.chance.choice(["no_reason", "sellers_fault"])

        def give(person: User, order_id: int) -> None:
            units, reason = wanted[order_id]
            actor = Actor(ActorKind.STAFF, person.username)
            back = Wanted(GrantKind.RETURN, units=units)
            deciding.propose(order_id, back, reason=reason, note="x", actor=actor, user=person)

        self._side_by_side(list(wanted), give)

    def _side_by_side(self, order_ids: Sequence[int], work: Callable[[User, int], None]) -> None:
        """Two people do it, an order at a time each."""

        def share(place: int) -> None:
            try:
                for order_id in order_ids[place :: len(self.people)]:
                    work(self.people[place], order_id)
            finally:
                connections.close_all()

        with ThreadPoolExecutor(len(self.people)) as pool:
            for done in [pool.submit(share, place) for place in range(len(self.people))]:
                done.result()

    # --- Stages

    def _run(self, *names: str) -> None:
        with clock.skipping_waits():
            for one in PIPELINE:
                if one.name in names:
                    run_until_empty(one, _BATCH)
        self._analyze()

    def _run_all(self, without: Collection[str] = ()) -> None:
        """All stages until nothing is ready; invoices are sent apart, since the service takes its time."""
        left_out = {*without, "send_invoice", "mail_invoice"}
        with clock.skipping_waits():
            while sum(run_until_empty(one, _BATCH) for one in PIPELINE if one.name not in left_out):
                self._analyze()

    def _analyze(self) -> None:
        """What autovacuum would have seen by now, by its own rule."""
        if self.orders <= _BATCH:
            return
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT quote_ident(relname) FROM pg_stat_user_tables WHERE n_mod_since_analyze > 50 + n_live_tup / 10"
            )
            changed = [name for (name,) in cursor.fetchall()]
            if changed:
                cursor.execute(f"ANALYZE {', '.join(changed)}")

    def _issue_invoices(self) -> None:
        due = Invoice.objects.filter(ready_at__isnull=False)
        while due.exists():
            # Time passes there and here.
            self.peer.turn(ISSUES_AFTER_SECONDS + 1)
            due.filter(ready_at__gt=Now()).update(ready_at=Now())
            factories.run(planning.run)
            with clock.skipping_waits():
                for _batch in range(1 + due.count() // _BATCH):
                    run_until_empty(advancing.STAGE, _BATCH)

    # --- Bills

    def write_bills(self) -> None:
        """The bills of all that was paid and went back, with the differences."""
        wechat, alipay = self.links
        told = [
            *self._of_provider(wechat, BillForm.WECHAT_TRADE, papers.WeChat(), "1900000001"),
            *self._of_provider(alipay, BillForm.ALIPAY_TRADE, papers.Alipay(), "2088"),
            *(self._of_carrier(carrier) for carrier in Carrier.objects.order_by("pk")),
        ]
        turns = cycle([(part, kind) for part in told for kind in part.kinds])
        left = self.differences
        while left:
            part, kind = next(turns)
            free = [row.number for row in part.rows if row.number not in part.kind_of]
            if free:
                part.kind_of[self.chance.choice(free)] = kind
                left -= 1
        unpaid = list(Payment.objects.filter(connection__in=self.links, captured_at=None).order_by("pk"))
        for part in told:
            for row in part.rows:
                self._tell(part, row, unpaid)
        self.bills = list({id(part.bills): part.bills for part in told}.values())

    def read_bills(self) -> None:
        """Read them all."""
        for bills in self.bills:
            bills.read()
            self._analyze()

    @property
    def planted(self) -> list[tuple[str, str]]:
        """The number of each difference, and the outcome that must come of it."""
        return [one for bills in self.bills for one in bills.planted]

    def _of_provider(self, link: Connection, form: BillForm, writer: papers.Form, account: str) -> list["_Part"]:
        source = BillSource.objects.create(connection=link, form=form, account=account, fee_rate=Decimal("0.006"))
        bills = Bills(source, writer, papers.fee, self.chance)
        paid = Payment.objects.filter(connection=link, state=PaymentState.CAPTURED).order_by("pk")
        payments = [_row(one.number, one.transaction_number, one.captured_amount, one.captured_at) for one in paid]
        back = Refund.objects.filter(connection=link, state=RefundState.SUCCEEDED).select_related("payment")
        refunds = [
            _row(one.number, one.transaction_number, -one.refunded_amount, one.succeeded_at, of=one.payment.number)
            for one in back.order_by("pk")
        ]
        # Alipay's bills say nothing of a refund's state.
        more = ("state_differs",) if form == BillForm.WECHAT_TRADE else ()
        return [_Part(bills, payments, _OF_PAYMENTS), _Part(bills, refunds, (*_OF_REFUNDS, *more))]

    def _of_carrier(self, carrier: Carrier) -> "_Part":
        """What the carrier remits, one to three days after it collected it."""
        assert carrier.connection
        source = BillSource.objects.create(
            connection=carrier.connection, form=BillForm.COD, fee_rate=Decimal("0.01"), fee_minimum_fen=100
        )
        bills = Bills(source, papers.Cash(), partial(papers.fee, rate="0.01", least="1.00"), self.chance)
        parcels = Shipment.objects.filter(carrier=carrier).exclude(waybill_number=None)
        waybills = dict(parcels.order_by("pk").values_list("sub_order_id", "waybill_number"))
        cash = Payment.objects.filter(means=Means.CASH, sub_order__in=waybills).select_related("order").order_by("pk")
        rows = []
        for one in cash:
            assert one.captured_at
            assert one.sub_order_id
            at = one.captured_at + timedelta(days=self.chance.randint(1, 3))
            batch = f"FK{papers.china(at):%Y%m%d}{carrier.code}"
            waybill = waybills[one.sub_order_id] or ""
            rows.append(_row(waybill, batch, one.captured_amount, at, of=one.order.number, fee=bills.fee))
        if rows:
            # By then all of it should have come.
            bills.paper(max(row.at for row in rows).date() + timedelta(days=source.days_to_remit))
        return _Part(bills, rows, _OF_CASH)

    def _tell(self, part: "_Part", row: Row, unpaid: list[Payment]) -> None:
        kind, bills = part.kind_of.get(row.number), part.bills
        if kind is None:
            bills.tell(row)
        elif kind == "paid_but_pending":
            # Beside the row that is right, one of a payment that we know nothing of.
            bills.tell(row)
            (lost,) = [one for one in unpaid if one.connection_id == bills.source.connection_id][:1]
            unpaid.remove(lost)
            bills.plant(kind, _row(lost.number, f"T{lost.number}", lost.amount, row.at))
        elif kind in ("paid_without_order", "refund_not_ours"):
            bills.tell(row)
            amount = -abs(row.amount) if kind == "refund_not_ours" else row.amount
            number = f"N{bills.source.pk}{len(bills.planted):05}"
            bills.plant(kind, Row(number, f"S{number}", amount, bills.fee(amount), row.at, of=f"O{number}"))
        else:
            bills.plant(kind, row)


def cut(folder: Path, orders: int, into: Path) -> Path:
    """A folder of data with the first so many orders of another one, and what they name of its goods and stock: it is
    loaded in seconds."""
    (lines,) = sorted(folder.glob("orders*.jsonl.gz"))[:1]
    with gzip.open(lines, "rb") as file:
        kept = list(islice(file, orders))
    with gzip.open(into / "orders.jsonl.gz", "wb") as file:
        file.writelines(kept)
    named = {line["sku"] for order in map(json.loads, kept) for line in order["lines"]}
    for stem in ("catalogue", "stock"):
        (path,) = sorted(folder.glob(f"{stem}*.csv.gz"))[:1]
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as source:
            rows = csv.DictReader(source)
            with (into / f"{stem}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, rows.fieldnames or ())
                writer.writeheader()
                writer.writerows(row for row in rows if row["sku"] in named)
    for path in folder.glob("*.csv"):
        shutil.copy(path, into)
    return into


def _units(lines: QuerySet[SubOrderLine]) -> Chosen:
    """How many units these are."""
    units: dict[int, dict[int, int]] = {}
    for order_id, position, count in lines.order_by("pk").values_list(*_UNITS):
        of_order = units.setdefault(order_id, {})
        of_order[position] = of_order.get(position, 0) + count
    return units


@dataclass(slots=True)
class _Part:
    """Rows of bills as our books have them, the kinds of differences that can be planted there, and those that are, by
    the rows' numbers."""

    bills: Bills
    rows: list[Row]
    kinds: Sequence[str]
    kind_of: dict[str, str] = field(default_factory=dict)


def _row(
    number: str,
    transaction: str,
    amount: Decimal,
    at: datetime | None,
    of: str = "",
    fee: Callable[[Decimal], Decimal] = papers.fee,
) -> Row:
    assert at
    return Row(number, transaction, amount, fee(amount), papers.china(at), of)
