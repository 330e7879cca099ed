"""The database refuses every move that no transition declares, whoever writes, and counts versions."""

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.test.utils import isolate_apps
from django.utils import timezone
from django_fsm import GET_STATE, RETURN_VALUE, FSMField
from django_fsm import transition as moves

from inventory import transferring
from inventory.models import PurchaseOrder, ReplenishmentSuggestion, StockCount, StockHold, Transfer
from logistics.models import DoorPickUp, ParcelClaim, RoutePlan, StockOrder, VirtualCode
from oms.common.files import exporting
from oms.common.models import Connection, InboundFact, SystemKind, Ticket, Topic, Versioned
from oms.common.secrecy import seal
from oms.common.states import Unguardable, edges, initial_states, state_fields, trigger_sql
from oms.common.work import facts, jobs
from oms.merchants.models import MerchantApplication, WebhookEndpoint
from oms.merchants.webhooks import endpoints
from orders.models import ChangeSet, ReturnRequest, StrayParcel
from orders.returning import strays
from orders.returning.strays import Unit
from payments.granting import deciding, limits
from payments.granting.previewing import Wanted
from payments.models import (
    BalanceAdjustment,
    BankTransfer,
    Dispute,
    GrantKind,
    Payment,
    Refund,
    RefundGrant,
    Statement,
)
from payments.providers.defaults import default_connection
from tests import factories, steps
from tests.api import samples
from tests.balances import wallets
from tests.invoicing import world as invoices
from tests.returns import rows as return_rows
from tests.routing.helpers import open_station
from tests.virtual import world as virtual_goods

pytestmark = pytest.mark.django_db

GUARDED = [pytest.param(model, field, id=model.__name__) for model, field in state_fields()]


def _intended(shop: factories.Shop) -> Payment:
    return Payment.objects.create(
        number="P", order=shop.place_order(), means="external", amount=Decimal("26.00"), state="intended"
    )


def _refund(shop: factories.Shop) -> Refund:
    order = shop.place_order()
    steps.pay(order)
    payment = Payment.objects.get(order=order)
    return Refund.objects.create(number="R", order=order, payment=payment, amount=Decimal(1), reason="overpaid")


def _pick_up(shop: factories.Shop) -> DoorPickUp:
    return return_rows.pick_up(_return(shop), Connection.objects.filter(kind="carrier").first() or default_connection())


def _stray(shop: factories.Shop) -> StrayParcel:
    return strays.note(shop.warehouse.pk, [Unit(shop.sku.code, "good", 1)], waybill="", actor=steps.STAFF)


def _return(shop: factories.Shop) -> ReturnRequest:
    shipment = steps.shipped(shop.place_order(payment_method="cod"))
    sub_order = shipment.sub_order
    return return_rows.asked(sub_order)


def _grant(shop: factories.Shop) -> RefundGrant:
    limits.install_defaults()
    order = shop.place_order()
    steps.pay(order)
    wanted = Wanted(GrantKind.GOODWILL, Decimal(1))
    return deciding.propose(order.pk, wanted, reason="late", note="x", actor=steps.STAFF)


def _statement(shop: factories.Shop) -> Statement:
    return Statement.objects.create(
        number="ST-1",
        merchant=shop.merchant,
        starts_on=date(2026, 1, 1),
        ends_on=date(2026, 2, 1),
        opening_amount=Decimal(0),
        rows_amount=Decimal(19),
        total_amount=Decimal(19),
        row_count=1,
        row_hash="x",
        closed_by="anna",
        # Else the checks of the row would refuse before the guard does.
        approved_by="",
    )


def _transfer(shop: factories.Shop) -> BankTransfer:
    paid_on = date(2026, 1, 2)
    return BankTransfer.objects.create(
        order=shop.place_order(), amount=Decimal("26.00"), serial="B1", paid_on=paid_on, entered_by="li"
    )


def _dispute(shop: factories.Shop) -> Dispute:
    link = default_connection()
    return Dispute.objects.create(
        number="D1", connection=link, kind="complaint", state="open", order=shop.place_order()
    )


def _endpoint(shop: factories.Shop) -> WebhookEndpoint:
    return WebhookEndpoint.objects.create(
        merchant=shop.merchant, url="https://1.1.1.1/", event_types=["*"], secret=seal("whsec_c2VjcmV0")
    )


def _fact() -> InboundFact:
    link = Connection.objects.create(code="wms-1", name="WMS", kind=SystemKind.WAREHOUSE)
    facts.receive(link.pk, Topic.WAREHOUSE, [facts.News("k1", "packed", "1-1-W1", steps.NOON)])
    return InboundFact.objects.get()


def _cart(shop: factories.Shop) -> StockHold:
    later = timezone.now() + timedelta(minutes=5)
    return StockHold.objects.create(
        merchant=shop.merchant, channel=shop.channel, purpose="cart", created_by="x", expires_at=later
    )


def _moved_goods(shop: factories.Shop) -> Transfer:
    target = factories.WarehouseFactory(merchant=shop.merchant)
    return transferring.draft(shop.warehouse, target, [transferring.Moved(shop.sku, 1)], actor="x")


def _announced(shop: factories.Shop) -> StockOrder:
    transfer = _moved_goods(shop)
    link = factories.ConnectionFactory()
    return StockOrder.objects.create(
        number="T1-IN", kind="in", warehouse=transfer.target, connection=link, transfer=transfer
    )


def _suggestion(shop: factories.Shop) -> ReplenishmentSuggestion:
    return ReplenishmentSuggestion.objects.get(policy=samples.alert_line(shop))


def _code(shop: factories.Shop) -> VirtualCode:
    virtual_goods.bring(shop, virtual_goods.code_sku(shop), ["A"])
    return VirtualCode.objects.get()


ROWS: dict[str, Callable[[factories.Shop], models.Model]] = {
    "ReplenishmentSuggestion": _suggestion,
    "StockHold": _cart,
    "StockCount": lambda shop: StockCount.objects.create(warehouse=shop.warehouse),
    "Transfer": _moved_goods,
    "StockOrder": _announced,
    "PurchaseOrder": lambda shop: PurchaseOrder.objects.create(
        merchant=shop.merchant, number="PO1", warehouse=shop.warehouse
    ),
    "ChangeSet": lambda shop: ChangeSet.objects.create(
        order=shop.place_order(), number="C1", reason="x", actor_kind="staff", actor="li"
    ),
    "Order": lambda shop: shop.place_order(),
    "SubOrder": lambda shop: steps.released(shop.place_order(payment_method="cod")),
    "WarehouseOrder": lambda shop: steps.work_of(steps.released(shop.place_order(payment_method="cod"))),
    "ParcelClaim": lambda shop: ParcelClaim.objects.create(
        shipment=steps.dispatched(shop.place_order(payment_method="cod")),
        kind="lost",
        wanted=1,
        due_on=timezone.now().date(),
        opened_by="li",
    ),
    "RoutePlan": lambda shop: RoutePlan.objects.create(
        station=open_station(), day=timezone.now().date(), number=1, planner="vroom", made_by="li"
    ),
    "Shipment": lambda shop: steps.dispatched(shop.place_order(payment_method="cod")),
    "Recall": lambda shop: steps.recalled(steps.shipped(shop.place_order(payment_method="cod"))),
    "Payment": _intended,
    "Refund": _refund,
    "RefundGrant": _grant,
    "MerchantApplication": lambda shop: MerchantApplication.objects.create(company="x", wanted_code="X"),
    "Invoice": lambda shop: invoices.written(shop.place_order(), shop.merchant),
    "Statement": _statement,
    "BankTransfer": _transfer,
    "Dispute": _dispute,
    "BalanceAdjustment": lambda shop: BalanceAdjustment.objects.create(
        account=wallets.member(shop.merchant), fen=5, reason="x", proposed_by="li"
    ),
    "ReturnRequest": _return,
    "StrayParcel": _stray,
    "DoorPickUp": _pick_up,
    "VirtualCode": _code,
    "WebhookEndpoint": lambda shop: _endpoint(shop),
    "WebhookDelivery": lambda shop: endpoints.ping(_endpoint(shop).pk),
    "InboundFact": lambda shop: _fact(),
    "Ticket": lambda shop: Ticket.objects.create(kind="call_back", subject_kind="order", subject_id=1),
    "Job": lambda shop: jobs.create(exporting.KIND, factories.UserFactory(), params={}),
}


@pytest.mark.parametrize(("model", "field"), GUARDED)
def test_the_database_makes_just_the_declared_moves_between_all_states(model, field):
    """On a copy of the table without its constraints, so that only the guard decides."""
    table = model._meta.db_table
    declared = set(edges(model, field))
    states = [value for value, _label in field.choices]
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE guarded AS SELECT * FROM {table} LIMIT 0")
        cursor.execute(f"CREATE TRIGGER guard BEFORE UPDATE ON guarded FOR EACH ROW EXECUTE FUNCTION {table}_guard()")
        cursor.execute(
            f"""
            INSERT INTO guarded (id, {field.column})
            SELECT row_number() OVER (), s FROM unnest(%s::text[]) AS s, unnest(%s::text[])
            """,
            [states, states],
        )
        if issubclass(model, Versioned):
            cursor.execute("UPDATE guarded SET version = 1")
        allowed, refusals = set(), []
        for source in states:
            for target in states:
                try:
                    with transaction.atomic():
                        cursor.execute(
                            f"UPDATE guarded SET {field.column} = %s WHERE id = ("
                            f"SELECT min(id) FROM guarded WHERE {field.column} = %s) RETURNING id",
                            [target, source],
                        )
                        key = cursor.fetchone()[0]
                        allowed.add((source, target))
                        raise _Undo(key)
                except _Undo:
                    pass
                except IntegrityError as error:
                    refusals.append(str(error))

    assert allowed == declared | {(state, state) for state in states}
    assert all("is not declared" in refusal for refusal in refusals)


class _Undo(Exception):
    """Rolls the savepoint back."""


@pytest.mark.parametrize(("model", "field"), GUARDED)
def test_an_undeclared_move_of_a_real_row_is_refused_by_update_and_by_sql(shop, model, field):
    row = ROWS[model.__name__](shop)
    before = getattr(row, field.name)
    declared = {target for source, target in edges(model, field) if source == before}
    forbidden = [*sorted({value for value, _label in field.choices} - declared - {before}), "nonsense"]

    for target in forbidden:
        with pytest.raises(IntegrityError, match="is not declared"), transaction.atomic():
            model.objects.filter(pk=row.pk).update(**{field.name: target})
        with pytest.raises(IntegrityError, match="is not declared"), transaction.atomic(), connection.cursor() as sql:
            sql.execute(f"UPDATE {model._meta.db_table} SET {field.column} = %s WHERE id = %s", [target, row.pk])

    assert getattr(model.objects.get(pk=row.pk), field.name) == before


@pytest.mark.parametrize(("model", "field"), GUARDED)
def test_rows_begin_just_where_the_model_says(model, field):
    """On a copy of the table without its constraints, so that only the guard decides."""
    table = model._meta.db_table
    allowed, refusals = set(), []
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE TEMP TABLE begun AS SELECT * FROM {table} LIMIT 0")
        cursor.execute("SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = %s", [f"{table}_begin"])
        cursor.execute(cursor.fetchone()[0].replace(f"ON public.{table} ", "ON begun "))
        for state in [*(value for value, _label in field.choices), "nonsense"]:
            try:
                with transaction.atomic():
                    cursor.execute(f"INSERT INTO begun (id, {field.column}) VALUES (1, %s)", [state])
                    allowed.add(state)
            except IntegrityError as error:
                refusals.append(str(error))

    assert allowed == set(initial_states(model, field))
    assert allowed
    assert all("a row may not begin as" in refusal for refusal in refusals)


def test_a_row_that_begins_in_the_middle_is_refused_by_insert_and_by_copy(shop):
    order = shop.place_order()
    with (
        pytest.raises(IntegrityError, match="a row may not begin as requested, only as intended"),
        transaction.atomic(),
    ):
        Refund.objects.create(
            number="R",
            order=order,
            payment=_intended(shop),
            amount=Decimal(1),
            reason="overpaid",
            state="requested",
            requested_at=steps.NOON,
        )
    columns = "kind, subject_kind, subject_id, state, closed_at, result"
    with (
        pytest.raises(IntegrityError, match="a row may not begin as closed, only as open"),
        transaction.atomic(),
        connection.wrap_database_errors,
        connection.cursor() as cursor,
        cursor.copy(f"COPY common_ticket ({columns}) FROM STDIN") as copy,
    ):
        copy.write_row(("call_back", "order", 1, "closed", steps.NOON, "resolved"))

    assert not Refund.objects.exists()
    assert not Ticket.objects.exists()


def _guard_of(**declared: object) -> str:
    """The SQL of the guard of a model with two states that declares these members."""
    with isolate_apps("oms.common"):
        state = FSMField(choices=[("new", "New"), ("old", "Old")], default="new")
        meta = type("Meta", (), {"app_label": "common"})
        made = {name: value(state) if callable(value) else value for name, value in declared.items()}
        model = type("Thing", (models.Model,), {"__module__": __name__, "Meta": meta, "state": state, **made})
        return trigger_sql(model, model._meta.get_field("state"))


def _move(**options: object) -> Callable[[FSMField], object]:
    """A transition named `age` of a field still to come."""

    def declare(state: FSMField) -> object:
        def age(self: object) -> None:
            """Grow old."""

        return moves(state, **options)(age)

    return declare


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"source": "*", "target": "old"},
            r"Thing\.age cannot be guarded: its source is the wildcard '\*', .* List the",
        ),
        (
            {"source": "+", "target": "old"},
            r"Thing\.age cannot be guarded: its source is the wildcard '\+', .* List the",
        ),
        (
            {"source": "new", "target": "old", "conditions": [bool]},
            r"`conditions=` are asked only .* a CheckConstraint",
        ),
        ({"source": "new", "target": RETURN_VALUE("old")}, "its target RETURN_VALUE is worked out at run time"),
        ({"source": "new", "target": GET_STATE(str, ["old"])}, "its target GET_STATE is worked out at run time"),
        ({"source": "new", "target": None}, "it has no target, so it is no move. Make it a plain method"),
        ({"source": "new", "target": "old", "on_error": "new"}, "`on_error='new'` is a move of its own"),
        ({"source": "new", "target": "odl"}, "odl is not among the field's choices"),
    ],
)
def test_a_transition_that_the_database_could_not_hold_is_refused_with_what_to_do(options, message):
    with pytest.raises(Unguardable, match=message):
        _guard_of(age=_move(**options))


def test_an_initial_state_that_the_field_does_not_have_is_refused():
    assert "NOT IN ('new', 'old')" in _guard_of(initial_states=("old",))
    with pytest.raises(Unguardable, match="Thing cannot be guarded: rows begin in odl, which is not among the choices"):
        _guard_of(initial_states=("odl",))
