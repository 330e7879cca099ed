"""The stock of codes: they are imported, withdrawn and expire, and each time the ledger of the stock says so.

Whoever changes how many codes are for sale holds the lock of their stock row, or of units of it that are promised to
nobody else. Codes are taken by `SKIP LOCKED`, so nobody ever waits for one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from django.db import connection, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from inventory import hosting, receiving, reserving
from inventory.models import MovementNote, Sku, Stock, StockMovement, StorageClass, Warehouse
from logistics.models import CodeImport, CodeState, VirtualCode, VirtualDelivery, VirtualSupply
from logistics.models.virtual_code import MOST_OF_A_CODE
from logistics.virtual import fingerprints
from logistics.virtual.hints import hint_of
from logistics.virtual.trouble import CODES_FEW
from oms.common import secrecy, tickets
from oms.common.copying import copy_rows
from oms.common.errors import ChangedMeanwhile, FieldError, OmsError
from oms.common.work import nudging
from oms.common.zones import CHINA
from orders.actors import Actor, job
from orders.stock import stocktaking

# So many rows are imported in a transaction of their own, and at most so many at once.
CHUNK, MOST_AT_ONCE = 5_000, 100_000


class CannotSellCodes(OmsError):
    """The SKU cannot sell codes as things stand."""

    code = "cannot_sell_codes"


@dataclass(frozen=True, slots=True)
class NewCode:
    """A code as somebody gave it: a card number with its password, where it has one, or a key."""

    code: str
    password: str = ""
    valid_until: date | None = None

    @property
    def content(self) -> str:
        """What the buyer gets, a line each."""
        return f"{self.code}\n{self.password}" if self.password else self.code


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import: how many codes came in, and why others did not, by their place."""

    added: int
    refused: dict[int, FieldError]


def today() -> date:
    """The day by which codes expire."""
    return timezone.now().astimezone(CHINA).date()


def warehouse_for(sku: Sku, code: str = "") -> Warehouse:
    """The virtual warehouse of that code, or the only one there is. Raises OmsError."""
    kept = Warehouse.objects.filter(
        kind=Warehouse.Kind.VIRTUAL, is_active=True, storage_classes__contains=[StorageClass.VIRTUAL]
    )
    found = list(kept.filter(code=code) if code else kept.order_by("code")[:2])
    if len(found) == 1:
        return found[0]
    if code:
        raise OmsError(_("There is no virtual warehouse %(code)s.") % {"code": code}, attr="warehouse")
    text = _("Name the virtual warehouse.") if found else _("There is no virtual warehouse.")
    raise OmsError(text, attr="warehouse")


@transaction.atomic
def begin(sku_id: int) -> VirtualSupply:
    """Let the SKU sell codes from now on; one that does already stays as it is.

    Raises CannotSellCodes for what is not virtual, keeps batches, or has units that are no codes.
    """
    sku = Sku.objects.select_for_update(of=("self",)).get(pk=sku_id)
    if not sku.sells_codes:
        if sku.storage_class != StorageClass.VIRTUAL or sku.wants_batches:
            raise CannotSellCodes(_("What sells codes is virtual and keeps no batches."), attr="sku")
        rows = Stock.objects.filter(sku=sku)
        reserving.lock_stock(list(rows.values_list("pk", flat=True)))
        if rows.filter(on_hand__gt=0).exists():
            text = _("%(sku)s has units that are no codes. Set its stock to 0 first.")
            raise CannotSellCodes(text % {"sku": sku.code}, attr="sku")
        Sku.objects.filter(pk=sku_id).update(sells_codes=True)
        rows.update(keeps_codes=True)
    return VirtualSupply.objects.get_or_create(sku=sku)[0]


def import_codes(
    sku: Sku,
    warehouse: Warehouse,
    codes: Sequence[NewCode],
    *,
    door: CodeImport.Door,
    actor: Actor,
    unreadable: int = 0,
) -> Imported:
    """Bring codes of the SKU in, in transactions of some thousand. A code that its merchant gave before, for whatever
    SKU, is refused, and so is what cannot be one. Told again after a failure, what came in before is refused.
    `unreadable` rows more stood there that are no codes: they count as refused.

    Raises CannotSellCodes as `begin` does, NotKept, and OmsError for too many at once.
    """
    if len(codes) > MOST_AT_ONCE:
        raise OmsError(_("At most %(most)s codes at once.") % {"most": MOST_AT_ONCE}, attr="codes")
    if not hosting.host(warehouse).may_keep(sku.merchant_id, sku.storage_class):
        raise hosting.not_kept(warehouse)
    begin(sku.pk)
    stock_id = receiving.rows_of({(warehouse.pk, sku.pk)})[warehouse.pk, sku.pk]
    added = 0
    refused: dict[int, FieldError] = {}
    seen: set[str] = set()
    for start in range(0, len(codes), CHUNK):
        good: dict[int, NewCode] = {}
        for place, code in enumerate(codes[start : start + CHUNK], start):
            wrong = _wrong(code, seen)
            if wrong is None:
                good[place] = code
            else:
                refused[place] = wrong
        given = len(codes[start : start + CHUNK]) + (unreadable if start == 0 else 0)
        known = _import(sku, stock_id, good, given, door, actor)
        added += len(good) - len(known)
        there = FieldError("code", "known", _("It came in before."))
        refused.update(dict.fromkeys(known, there))
    return Imported(added, dict(sorted(refused.items())))


def _wrong(code: NewCode, seen: set[str]) -> FieldError | None:
    if not code.code:
        return FieldError("code", "required", _("This field is required."))
    if len(code.content) > MOST_OF_A_CODE:
        return FieldError("code", "too_long", _("A code has at most %(most)d characters.") % {"most": MOST_OF_A_CODE})
    if not code.content.replace("\n", "").isprintable():
        return FieldError("code", "invalid", _("A code has no control characters."))
    if code.valid_until is not None and code.valid_until < today():
        return FieldError("valid_until", "expired", _("Its day is over."))
    if code.code in seen:
        return FieldError("code", "named_twice", _("It stands there twice."))
    seen.add(code.code)
    return None


@transaction.atomic
def _import(
    sku: Sku, stock_id: int, codes: dict[int, NewCode], given: int, door: CodeImport.Door, actor: Actor
) -> list[int]:
    """Store these codes, by place; returns the places of those that came in before."""
    of = fingerprints.of_merchant(sku.merchant_id)
    # Sorted, so that two imports of the same codes do not wait for each other both ways.
    places = {of(code.code): place for place, code in codes.items()}
    batch = CodeImport.objects.create(stock_id=stock_id, door=door, actor=actor.name[:80], added=0, refused=given)
    found = VirtualCode.objects.filter(fingerprint__in=places).values_list("fingerprint", flat=True)
    known = {bytes(one) for one in found}
    new = {print_: codes[place] for print_, place in sorted(places.items()) if print_ not in known}
    stored = _store(stock_id, batch.pk, new) if new else set()
    CodeImport.objects.filter(pk=batch.pk).update(added=len(stored), refused=given - len(stored))
    if stored:
        reserving.lock_stock([stock_id])
        move(stock_id, len(stored), StockMovement.Kind.RECEIPT, actor=actor.name)
        watch([stock_id])
        nudging.nudge("wake")
    return [place for print_, place in places.items() if print_ not in stored]


def _store(stock_id: int, batch_id: int, codes: Mapping[bytes, NewCode]) -> set[bytes]:
    """Store these codes, by fingerprint; returns the fingerprints of those that nobody stored at the same time."""
    kind = VirtualDelivery.Kind.ACTIVATION_CODE
    columns = ("content", "fingerprint", "hint", "valid_until")
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMP TABLE IF NOT EXISTS new_codes (content bytea, fingerprint bytea, hint text, valid_until date)"
            " ON COMMIT DELETE ROWS"
        )
        cursor.execute("TRUNCATE new_codes")
        copy_rows(
            "new_codes",
            columns,
            (
                (secrecy.seal(code.content), print_, hint_of(kind, code.code), code.valid_until)
                for print_, code in codes.items()
            ),
        )
        cursor.execute(
            f"""
            INSERT INTO logistics_virtualcode (stock_id, batch_id, state, {", ".join(columns)})
            SELECT %s, %s, '{CodeState.ON_SHELF}', {", ".join(columns)} FROM new_codes ORDER BY fingerprint
            ON CONFLICT (fingerprint) DO NOTHING RETURNING fingerprint
            """,
            [stock_id, batch_id],
        )
        return {bytes(print_) for (print_,) in cursor.fetchall()}


def move(stock_id: int, units: int, kind: StockMovement.Kind, *, actor: str, note: str = "") -> None:
    """Book that codes came (or, negative, went) at a locked stock row."""
    StockMovement.objects.create(stock_id=stock_id, kind=kind, on_hand_change=units, actor=actor, note=note)


def take(stock_id: int, units: int) -> list[int]:
    """Lock codes for sale that are still valid, those first that expire first; returns their ids: fewer than asked
    for where there are not so many. Needs an open transaction."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT c.id FROM logistics_virtualcode c
            WHERE c.stock_id = %s AND c.state = '{CodeState.ON_SHELF}'
              AND (c.valid_until IS NULL OR c.valid_until >= %s)
            ORDER BY c.valid_until, c.id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED
            """,
            [stock_id, today(), units],
        )
        return [key for (key,) in cursor.fetchall()]


@transaction.atomic
def withdraw(code_ids: Collection[int], *, reason: str, actor: Actor) -> int:
    """Take codes from sale for good; returns how many. Those that are not for sale any more are passed over.

    Raises OmsError without a reason, and where so many are promised to orders that too few would be left.
    """
    reason = reason.strip()
    if not reason:
        raise OmsError(_("Say why."), attr="reason")
    named = VirtualCode.objects.filter(pk__in=code_ids, state=CodeState.ON_SHELF)
    stock_ids = sorted(set(named.values_list("stock_id", flat=True)))
    reserving.lock_stock(stock_ids)
    done = 0
    for stock_id in stock_ids:
        rows = named.filter(stock_id=stock_id).order_by("pk").select_for_update(no_key=True, skip_locked=True)
        ids = list(rows.values_list("pk", flat=True))
        stock = Stock.objects.get(pk=stock_id)
        if len(ids) > stock.on_hand - stock.reserved:
            text = _("Only %(units)d codes of %(stock)s are promised to nobody.")
            raise OmsError(text % {"units": stock.on_hand - stock.reserved, "stock": stock})
        if ids:
            VirtualCode.objects.filter(pk__in=ids).update(state=CodeState.WITHDRAWN)
            move(stock_id, -len(ids), StockMovement.Kind.ADJUSTMENT, actor=actor.name, note=reason[:200])
        done += len(ids)
    watch(stock_ids)
    return done


def expire(limit: int = 200) -> int:
    """Take codes past their day from sale, at up to `limit` stock rows, each in a transaction; returns how many. Orders
    that were promised them are sourced anew."""
    due = VirtualCode.objects.filter(state=CodeState.ON_SHELF, valid_until__lt=today()).order_by()
    stock_ids = list(due.values_list("stock_id", flat=True).distinct()[:limit])
    return sum(_expire(stock_id) for stock_id in stock_ids)


@transaction.atomic
def _expire(stock_id: int) -> int:
    actor = job("expire_stock")
    candidates = stocktaking.lock_for_counting([stock_id])
    due = VirtualCode.objects.filter(stock_id=stock_id, state=CodeState.ON_SHELF, valid_until__lt=today())
    ids = list(due.order_by("pk").select_for_update(no_key=True, skip_locked=True).values_list("pk", flat=True))
    stock = Stock.objects.get(pk=stock_id)
    left = stock.on_hand - len(ids)
    missing = stocktaking.take_promises(stock, stock.reserved - left, candidates, actor)
    # What somebody delivers at this moment is delivered; the sweep comes again.
    ids = ids[: len(ids) - missing]
    if ids:
        VirtualCode.objects.filter(pk__in=ids).update(state=CodeState.EXPIRED)
        move(stock_id, -len(ids), StockMovement.Kind.EXPIRY, actor=actor.name, note=MovementNote.EXPIRED)
        watch([stock_id])
    return len(ids)


def watch(stock_ids: Collection[int]) -> None:
    """Open a ticket where fewer codes are left than the alert line of the SKU says, and close it where enough are."""
    few: list[tickets.Trouble] = []
    enough: list[int] = []
    rows = Stock.objects.filter(pk__in=stock_ids, sku__virtual_supply__alert_below__isnull=False)
    for stock in rows.select_related("sku__virtual_supply", "warehouse"):
        left, line = stock.on_hand - stock.reserved, stock.sku.virtual_supply.alert_below or 0
        if left < line:
            values = {"left": left, "sku": stock.sku.code, "warehouse": stock.warehouse.code, "line": line}
            few.append(tickets.Trouble(stock.pk, values=values))
        else:
            enough.append(stock.pk)
    tickets.open_tickets(CODES_FEW, few, opened_by="deliver_virtual")
    tickets.close_tickets([CODES_FEW], enough)


@transaction.atomic
def change_supply(supply_id: int, *, alert_below: int | None, instructions: str, version: int) -> VirtualSupply:
    """Say where the alert line is and what buyers are told. Raises ChangedMeanwhile."""
    supply = VirtualSupply.objects.select_for_update().get(pk=supply_id)
    if supply.version != version:
        raise ChangedMeanwhile(_("Somebody else changed this meanwhile. Read it again and repeat if need be."))
    VirtualSupply.objects.filter(pk=supply_id).update(alert_below=alert_below, instructions=instructions.strip())
    if alert_below is None:
        rows = Stock.objects.filter(sku=supply.sku_id).values_list("pk", flat=True)
        tickets.close_tickets([CODES_FEW], list(rows))
    else:
        watch(list(Stock.objects.filter(sku=supply.sku_id).values_list("pk", flat=True)))
    return VirtualSupply.objects.get(pk=supply_id)
