"""Reference data from a folder of CSV files: merchants, regions, warehouses, catalogue and opening stock.

Loading again changes what the files changed and adds what is new; stock that is there already keeps its units, since
only the ledger may change them.
"""

import csv
import gzip
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TextIO

from django.db import connection, transaction

from inventory import costing, hosting, reserving, selling
from inventory.lots import today
from inventory.models import Region, Sku, Stock, StockMovement, StorageClass, Warehouse
from inventory.models.catalogue import MOST_MM, MOST_OF_A_BARCODE
from inventory.promising import known_sheets
from inventory.promising.sheets import Sheet, import_rows
from oms.common.copying import copy_rows
from oms.common.errors import OmsError
from oms.common.tax import TaxMark
from oms.merchants.models import Merchant

Progress = Callable[[Iterable[dict[str, str]], str], Iterable[dict[str, str]]]


@dataclass
class Loaded:
    """What came of one file: rows taken, and what is wrong with the others, by line."""

    file: str
    rows: int = 0
    problems: list[str] = field(default_factory=list)

    def refuse(self, line: int, reason: str) -> None:
        """Note that the line was left out."""
        self.problems.append(f"{self.file}, line {line}: {reason}")


class MissingFile(Exception):
    """The folder has no file of the kind asked for."""


def csv_rows(path: Path, progress: Progress = lambda rows, _name: rows) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file in UTF-8 (`.csv` or `.csv.gz`), by their lines; `progress` may show how far it is."""
    with _open(path) as file:
        yield from enumerate(progress(csv.DictReader(file), path.name), 2)


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _find(folder: Path, stem: str) -> Path:
    for path in sorted([*folder.glob(f"{stem}*.csv"), *folder.glob(f"{stem}*.csv.gz")]):
        return path
    raise MissingFile(f"{folder} has no file {stem}*.csv or {stem}*.csv.gz")


def load_folder(folder: Path, *, progress: Progress, with_stock: bool = True) -> list[Loaded]:
    """Load every kind of file in the order in which they refer to each other, each in a transaction of its own.

    Raises MissingFile if one is not there; those of the promise (in `promise/`) need not be. A bad row is left out and
    named in the result.
    """
    stems = ["merchants", "regions", "warehouses", "catalogue", *(["stock"] if with_stock else [])]
    files = {stem: _find(folder, stem) for stem in stems}
    loaders = {
        "merchants": _load_merchants,
        "regions": _load_regions,
        "warehouses": _load_warehouses,
        "catalogue": _load_catalogue,
        "stock": _load_stock,
    }
    results = []
    for stem, path in files.items():
        with transaction.atomic():
            results.append(loaders[stem](path, progress))
    for sheet in known_sheets.SHEETS:
        path = folder / "promise" / f"{sheet.name}.csv"
        if path.exists():
            results.append(_load_sheet(sheet, path, progress))
    return results


def _load_sheet(sheet: Sheet, path: Path, progress: Progress) -> Loaded:
    result = Loaded(path.name)
    for row in import_rows(sheet, csv_rows(path, progress)):
        if row.errors:
            result.refuse(row.row, "; ".join(f"{error.attr}: {error.detail}" for error in row.errors))
        else:
            result.rows += 1
    return result


def _load_merchants(path: Path, progress: Progress) -> Loaded:
    result, merchants = Loaded(path.name), []
    updated = ["name", "kind", "settlement_days", "commission_rate"]
    for line, row in csv_rows(path, progress):
        if "accepts_cod" in row and "accepts_cod" not in updated:
            updated.append("accepts_cod")
        try:
            merchant = Merchant(
                code=row["code"],
                name=row["name"],
                kind=Merchant.Kind(row["kind"]),
                settlement_days=int(row["settlement_days"]),
                commission_rate=Decimal(row["commission_rate"]),
                accepts_cod=_accepts_cod(row),
            )
        except (KeyError, ValueError, InvalidOperation) as error:
            result.refuse(line, _reason(error))
            continue
        merchants.append(merchant)
    Merchant.objects.bulk_create(
        merchants,
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=updated,
    )
    result.rows = len(merchants)
    return result


def _accepts_cod(row: Mapping[str, str]) -> bool | None:
    """As the file says; None where it says nothing: the merchant's kind decides. Raises ValueError."""
    text = row.get("accepts_cod", "")
    if text.lower() not in ("", "true", "false"):
        raise ValueError(f"accepts_cod must be true or false, not {text}")
    return text.lower() == "true" if text else None


def _load_regions(path: Path, progress: Progress) -> Loaded:
    result, regions = Loaded(path.name), []
    for line, row in csv_rows(path, progress):
        try:
            regions.append(
                Region(
                    code=row["code"],
                    province=row["province"],
                    city=row["city"],
                    district=row["district"],
                    longitude=float(row["longitude"]),
                    latitude=float(row["latitude"]),
                    precision=Region.Precision(row["precision"]),
                    is_served=_is_served(row),
                )
            )
        except (KeyError, ValueError) as error:
            result.refuse(line, _reason(error))
    Region.objects.bulk_create(
        regions,
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=["province", "city", "district", "longitude", "latitude", "precision"],
    )
    result.rows = len(regions)
    return result


def _is_served(row: Mapping[str, str]) -> bool:
    """As the file says; where it says nothing, Hong Kong, Macau and Taiwan are not. Raises ValueError."""
    text = row.get("is_served", "")
    if text.lower() not in ("", "true", "false"):
        raise ValueError(f"is_served must be true or false, not {text}")
    return text.lower() == "true" if text else not row["code"].startswith(("71", "81", "82"))


def _load_warehouses(path: Path, progress: Progress) -> Loaded:
    result, warehouses = Loaded(path.name), []
    merchants = dict(Merchant.objects.values_list("code", "id"))
    regions = set(Region.objects.values_list("code", flat=True))
    updated = [
        *("name", "merchant", "kind", "storage_classes", "region", "longitude", "latitude"),
        *("daily_capacity", "cutoff_same_day", "cutoff_next_day", "serves"),
    ]
    for line, row in csv_rows(path, progress):
        # Files without these columns leave what is known.
        updated += [name for name in _SENDER if name in row and name not in updated]
        try:
            classes = row["storage_classes"].split("|")
            for storage_class in classes:
                StorageClass(storage_class)
            if row["region_code"] not in regions:
                raise ValueError(f"unknown region_code {row['region_code']}")
            warehouse = Warehouse(
                code=row["code"],
                name=row["name"],
                merchant_id=merchants[row["merchant"]],
                kind=Warehouse.Kind(row["kind"]),
                storage_classes=classes,
                region_id=row["region_code"],
                longitude=float(row["longitude"]),
                latitude=float(row["latitude"]),
                daily_capacity=int(row["daily_capacity"]),
                cutoff_same_day=row["cutoff_same_day"] or None,
                cutoff_next_day=row["cutoff_next_day"] or None,
                serves=[province for province in row["serves"].split("|") if province],
                **{name: row[name] for name in _SENDER if name in row},
            )
        except (KeyError, ValueError) as error:
            result.refuse(line, _reason(error))
            continue
        warehouses.append(warehouse)
    Warehouse.objects.bulk_create(
        warehouses,
        update_conflicts=True,
        unique_fields=["code"],
        update_fields=updated,
    )
    result.rows = len(warehouses)
    return result


def _load_catalogue(path: Path, progress: Progress) -> Loaded:
    result, skus = Loaded(path.name), []
    barcodes: list[tuple[int, Sku, list[str]]] = []
    costs: list[tuple[Sku, Decimal, date]] = []
    merchants = dict(Merchant.objects.values_list("code", "id"))
    updated = ["name", "brand", "department", "category", "storage_class", "weight_g", "list_price"]
    for line, row in csv_rows(path, progress):
        # Files without these columns leave what is known.
        if "tax_code" in row and "tax_code" not in updated:
            updated += ["tax_code", "tax_name", "tax_rate", "tax_mark"]
        updated += [name for name in _MEASURES if name in row and name not in updated]
        try:
            if row["merchant"] not in merchants:
                merchants[row["merchant"]] = _pending_merchant(row["merchant"])
                result.problems.append(
                    f"{path.name}, line {line}: merchant {row['merchant']} is not in the merchants file; added as"
                    " pending, orders of its goods are refused until it is active"
                )
            codes = _barcodes(row)
            sku = Sku(
                merchant_id=merchants[row["merchant"]],
                code=row["sku"],
                name=row["name"],
                brand=row["brand"],
                department=row["department"],
                category=row["category"],
                storage_class=StorageClass(row["storage_class"]),
                weight_g=int(row["weight_g"]),
                list_price=Decimal(row["list_price"]),
                **_measures(row),
                **_tax(row),
            )
            said = _cost(row)
            skus.append(sku)
            if said is not None:
                costs.append((sku, *said))
            if codes is not None:
                barcodes.append((line, sku, codes))
        except (KeyError, ValueError, InvalidOperation) as error:
            result.refuse(line, _reason(error))
    Sku.objects.bulk_create(
        skus,
        batch_size=5000,
        update_conflicts=True,
        unique_fields=["code", "merchant"],
        update_fields=updated,
    )
    _store_barcodes(result, barcodes)
    # A SKU that stands twice has the last line's.
    costing.set_costs({(sku.pk, day): (sku.pk, cost, day) for sku, cost, day in costs}.values(), actor="load_data")
    _follow_batches(result, skus)
    result.rows = len(skus)
    return result


_SENDER = ("address", "contact_name", "contact_phone")
_MEASURES = ("length_mm", "width_mm", "height_mm", "unit_of_measure", "wants_batches", "wants_serials")


def _measures(row: Mapping[str, str]) -> dict[str, Any]:
    """Size, unit and what is told apart, as far as the file says. Raises ValueError."""
    sizes = [row.get(name, "") for name in _MEASURES[:3]]
    if len({bool(size) for size in sizes}) > 1 or any(size and not 1 <= int(size) <= MOST_MM for size in sizes):
        raise ValueError(f"length_mm, width_mm and height_mm belong together, each from 1 to {MOST_MM}")
    for name in _MEASURES[4:]:
        if row.get(name, "").lower() not in ("", "true", "false"):
            raise ValueError(f"{name} must be true or false, not {row[name]}")
    return {
        **{name: int(size) if size else None for name, size in zip(_MEASURES, sizes, strict=False)},
        "unit_of_measure": row.get("unit_of_measure", ""),
        **{name: row.get(name, "").lower() == "true" for name in _MEASURES[4:]},
    }


def _cost(row: Mapping[str, str]) -> tuple[Decimal, date] | None:
    """What a unit costs (yuan), and from when on: today unless `cost_from` says; None where the file does not say.
    Raises ValueError, or InvalidOperation."""
    if not row.get("cost_price"):
        return None
    cost = Decimal(row["cost_price"])
    if not cost.is_finite() or cost < 0 or cost != round(cost, 2):
        raise ValueError("cost_price is an amount in yuan with at most two decimals")
    return cost, date.fromisoformat(row["cost_from"]) if row.get("cost_from") else today()


def _barcodes(row: Mapping[str, str]) -> list[str] | None:
    """The SKU's barcodes; None where the file does not say: those that are known stay. Raises ValueError."""
    if "barcodes" not in row:
        return None
    codes = [code.strip() for code in row["barcodes"].split("|") if code.strip()]
    if any(len(code) > MOST_OF_A_BARCODE for code in codes):
        raise ValueError(f"a barcode has at most {MOST_OF_A_BARCODE} characters")
    return codes


def _follow_batches(result: Loaded, skus: Sequence[Sku]) -> None:
    """Where SKUs began to want batches, or want none any more, their stock follows; what cannot stays, and is named."""
    ids = [sku.pk for sku in skus]
    # Two looks at one table each: of tables just filled PostgreSQL knows too little to join them well.
    wants = dict(Sku.objects.filter(pk__in=ids).values_list("pk", "wants_batches"))
    keeps = Stock.objects.filter(sku__in=ids).order_by().values_list("sku", "keeps_lots").distinct()
    differing = {sku for sku, keeps_lots in keeps if keeps_lots != wants[sku]}
    switched = list(Sku.objects.filter(pk__in=differing).order_by("pk"))
    # All of it at once, in the one order of locks.
    reserving.lock_stock(Stock.objects.filter(sku__in=switched).values_list("pk", flat=True))
    for sku in switched:
        try:
            selling.follow_batches(sku, actor="load_data")
        except OmsError as refusal:
            Sku.objects.filter(pk=sku.pk).update(wants_batches=True)
            result.problems.append(f"{result.file}: {sku.code}: {refusal}")


def _store_barcodes(result: Loaded, barcodes: Iterable[tuple[int, Sku, Sequence[str]]]) -> None:
    """Barcodes of SKUs, by their lines; a SKU keeps those that it has where another has one of the file's."""
    for line, sku, codes in barcodes:
        try:
            with transaction.atomic():
                selling.set_barcodes(sku, codes)
        except selling.BarcodeTaken as refusal:
            result.problems.append(f"{result.file}, line {line}: barcodes of {sku.code} stay as they are: {refusal}")


def _tax(row: Mapping[str, str]) -> dict[str, Any]:
    """How the file says that a SKU is taxed; nothing where it does not. Raises ValueError, or InvalidOperation."""
    code, rate, mark = (row.get(name, "") for name in ("tax_code", "tax_rate", "tax_mark"))
    if bool(code) != bool(rate) or (mark and Decimal(rate or 1) != 0):
        raise ValueError("tax_code and tax_rate belong together, and a tax_mark to a tax_rate of 0")
    if code and not (len(code) == 19 and code.isascii() and code.isdigit() and 0 <= Decimal(rate) < 1):
        raise ValueError("a tax_code has 19 digits, and a tax_rate is a share such as 0.13")
    return {
        "tax_code": code,
        "tax_name": row.get("tax_name", ""),
        "tax_rate": Decimal(rate) if rate else None,
        "tax_mark": TaxMark(mark).value if mark else "",
    }


def _pending_merchant(code: str) -> int:
    """A merchant that goods name but nobody described: staff complete it."""
    merchant = Merchant.objects.create(
        code=code, name=code, kind=Merchant.Kind.MARKETPLACE, status=Merchant.Status.PENDING
    )
    return merchant.pk


def _load_stock(path: Path, progress: Progress) -> Loaded:
    result = Loaded(path.name)
    warehouses = {one.warehouse.code: one for one in hosting.read(Warehouse.objects.all())}
    skus: dict[str, tuple[int, int, str]] = {}
    ambiguous: set[str] = set()
    for code, *goods in Sku.objects.values_list("code", "id", "merchant_id", "storage_class"):
        if code in skus:
            ambiguous.add(code)
        skus[code] = (goods[0], goods[1], goods[2])
    rows: dict[tuple[int, int], tuple[int, ...]] = {}
    for line, row in csv_rows(path, progress):
        try:
            if row["sku"] in ambiguous:
                raise ValueError(f"several merchants sell sku {row['sku']}")
            host, (sku_id, owner, storage_class) = warehouses[row["warehouse"]], skus[row["sku"]]
            key = host.warehouse.pk, sku_id
            figures = tuple(int(row[name]) for name in ("on_hand", "safety_stock", "reorder_point", "reorder_quantity"))
            if min(figures) < 0:
                raise ValueError("a figure is negative")
            if key in rows:
                raise ValueError("the warehouse and SKU stand on an earlier line")
            if not host.may_keep(owner, storage_class):
                raise ValueError("the warehouse does not keep goods of the SKU's merchant")
            rows[key] = figures
        except KeyError as error:
            result.refuse(line, f"unknown warehouse, sku or column: {error}")
        except ValueError as error:
            result.refuse(line, str(error))
    _store_stock([(*key, *figures) for key, figures in rows.items()])
    result.rows = len(rows)
    return result


def _store_stock(rows: list[tuple[int, ...]]) -> None:
    described = ("warehouse_id", "sku_id", "safety_stock", "reorder_point", "reorder_quantity")
    columns = ("warehouse_id", "sku_id", "on_hand", *described[2:])
    with connection.cursor() as cursor:
        # Without the constraints of columns that only the real table fills.
        cursor.execute(
            f"CREATE TEMP TABLE new_stock ON COMMIT DROP AS"
            f" SELECT {', '.join(columns)} FROM inventory_stock WITH NO DATA"
        )
        copy_rows("new_stock", columns, rows)
        cursor.execute(
            f"""
            WITH stored AS (
                INSERT INTO inventory_stock ({", ".join(described)})
                SELECT {", ".join(described)} FROM new_stock ORDER BY sku_id, warehouse_id
                ON CONFLICT (sku_id, warehouse_id) DO UPDATE SET
                    safety_stock = EXCLUDED.safety_stock,
                    reorder_point = EXCLUDED.reorder_point,
                    reorder_quantity = EXCLUDED.reorder_quantity
                RETURNING id, sku_id, warehouse_id, keeps_codes, xmax = 0 AS is_new
            )
            INSERT INTO inventory_stockmovement (stock_id, kind, on_hand_change, actor)
            SELECT s.id, '{StockMovement.Kind.OPENING}', n.on_hand, 'load_data'
            FROM stored s JOIN new_stock n USING (sku_id, warehouse_id)
            WHERE s.is_new AND n.on_hand > 0 AND NOT s.keeps_codes
            """
        )


def _reason(error: Exception) -> str:
    return f"missing column or unknown code {error}" if isinstance(error, KeyError) else str(error)
