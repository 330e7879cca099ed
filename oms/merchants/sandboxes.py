"""Sandboxes: merchants of the kind `sandbox`, each the twin of a seller whose programs are tested there.

Being a merchant of its own keeps it apart from its seller like any other merchant. What it asks for is asked over the
connections of this module, which lead nowhere (`oms.checking.sandbox_invariants`). Its money is in no settlement and no
ledger, its work on no board of staff.
"""

from collections.abc import Collection
from typing import Any, TypeVar

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Q, QuerySet

from oms.common.models import Connection, SystemKind
from oms.merchants.models import Channel, Merchant

Rows = TypeVar("Rows", bound=QuerySet[Any])

SUFFIX = "-TEST"
PROTOCOL = "sandbox"
WAREHOUSES, CARRIER, PAYMENTS = "test-warehouses", "test-carrier", "test-payments"
_KINDS = {WAREHOUSES: SystemKind.WAREHOUSE, CARRIER: SystemKind.CARRIER, PAYMENTS: SystemKind.PAYMENT}
# The code of the carrier of sandboxes; it carries for nobody else.
CARRIER_CODE = "TEST"

# SQL: the sandboxes, their channels. Few, so that a condition on them costs next to nothing.
IDS = f"(SELECT id FROM merchants_merchant WHERE kind = '{Merchant.Kind.SANDBOX}')"
CHANNELS = f"(SELECT id FROM merchants_channel WHERE merchant_id IN {IDS})"


def links() -> dict[str, Connection]:
    """The connections of all sandboxes, by code; made with the first of them."""
    return {
        code: Connection.objects.get_or_create(
            code=code,
            defaults={
                "kind": kind,
                "protocol": PROTOCOL,
                "options": {"carrier": CARRIER_CODE} if code == WAREHOUSES else {},
            },
        )[0]
        for code, kind in _KINDS.items()
    }


@transaction.atomic
def twin_of(seller: Merchant) -> tuple[Merchant, bool]:
    """The seller's sandbox, with a channel of its own; made where there is none yet. And whether it was made.

    What a sandbox is asked for is its own.
    """
    if seller.is_sandbox:
        return seller, False
    # One at a time: two do not both make it.
    Merchant.objects.select_for_update(no_key=True).get(pk=seller.pk)
    found = Merchant.objects.filter(sandbox_of=seller).first()
    if found is not None:
        return found, False
    code = _free_code(seller)
    made = Merchant.objects.create(
        code=code,
        name=f"{seller.name[:100]} (TEST)",
        kind=Merchant.Kind.SANDBOX,
        status=seller.status,
        sandbox_of=seller,
        accepts_cod=True,
    )
    Channel.objects.create(merchant=made, code=code, name=made.name)
    return made, True


def _free_code(seller: Merchant) -> str:
    """A code that nobody has: the seller's with a suffix, and a number where that is taken."""
    stem = seller.code[: 32 - len(SUFFIX) - 3] + SUFFIX
    taken = set(Merchant.objects.filter(code__istartswith=stem).values_list("code", flat=True))
    taken = {code.upper() for code in taken}
    return next(
        code
        for number in range(1, len(taken) + 2)
        if (code := stem if number == 1 else f"{stem}{number}").upper() not in taken
    )


def without(path: str) -> Q:
    """The condition on rows whose merchant stands at `path`: not those of sandboxes."""
    return ~Q(**{f"{path}__in": Merchant.objects.filter(kind=Merchant.Kind.SANDBOX)})


# Where the merchant of a row stands, by the label of its model: of these staff's lists and figures leave out what is of
# sandboxes, unless it is asked for.
PATHS = {
    "orders.order": "channel__merchant",
    "orders.suborder": "merchant",
    "orders.hold": "order__channel__merchant",
    "orders.rejectedorder": "merchant",
    "orders.returnrequest": "sub_order__merchant",
    "orders.deliverypromise": "order__channel__merchant",
    "payments.payment": "order__channel__merchant",
    "payments.refund": "order__channel__merchant",
    "payments.refundgrant": "order__channel__merchant",
    "merchants.webhookendpoint": "merchant",
}
_MERCHANT, _TICKET = "merchants.merchant", "common.ticket"
LABELS = (*PATHS, _MERCHANT, _TICKET)


def is_real(label: str) -> Any:
    """The condition on rows of the model of that label, one of `LABELS`: they are of no sandbox."""
    if label == _TICKET:
        return Q(is_test=False)
    if label == _MERCHANT:
        return ~Q(kind=Merchant.Kind.SANDBOX)
    path = PATHS[label]
    if not path.endswith("channel__merchant"):
        return without(path)
    # By the channel: one table less to join with.
    channels = Channel.objects.filter(merchant__kind=Merchant.Kind.SANDBOX)
    return ~Q(**{f"{path.removesuffix('__merchant')}__in": channels})


def real(rows: Rows) -> Rows:
    """These rows without those of sandboxes."""
    label = rows.model._meta.label_lower
    return rows.filter(is_real(label)) if label in LABELS else rows


def install_triggers(database: BaseDatabaseWrapper, existing: Collection[str]) -> None:
    """Make the trigger that marks tickets about orders of sandboxes, whoever opens them, if their table is in
    `existing`: the lists of tickets need not look at the orders then."""
    if "common_ticket" not in existing:
        return
    with database.cursor() as cursor:
        cursor.execute(
            f"""
            CREATE OR REPLACE FUNCTION common_ticket_is_test() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                NEW.is_test := EXISTS (
                    SELECT FROM orders_order o WHERE o.id = NEW.about_id AND o.channel_id IN {CHANNELS});
                RETURN NEW;
            END $$;
            CREATE OR REPLACE TRIGGER common_ticket_is_test BEFORE INSERT OR UPDATE OF about_id ON common_ticket
                FOR EACH ROW WHEN (NEW.about_id IS NOT NULL) EXECUTE FUNCTION common_ticket_is_test();
            """
        )
