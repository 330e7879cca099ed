"""How warehouse orders and parcels are named on tickets, and tried again from them."""

from functools import partial

from inventory.models import Warehouse
from logistics import retrying
from logistics.models import (
    AlertGroup,
    AlertTelling,
    DoorPickUp,
    ParcelClaim,
    Polling,
    Recall,
    ScanWord,
    Shipment,
    StockOrder,
    WarehouseOrder,
    WaybillBalance,
    WaybillErrand,
    WaybillShare,
)
from oms.common import tickets
from oms.common.desk.ticket_words import rows_of
from orders.actors import Actor
from orders.models import ActorKind, DeliveryPromise

RETRY = "logistics.retry_warehouseorder"


def _retry(model: type[WarehouseOrder] | type[Shipment], row_id: int, by: str) -> None:
    retrying.retry(model, row_id, actor=Actor(ActorKind.STAFF, by))


tickets.register_subject("warehouse", rows_of(Warehouse))
tickets.register_subject("parcel_claim", rows_of(ParcelClaim, "shipment__number"))
tickets.register_subject("waybill_share", rows_of(WaybillShare, "account__name"))
tickets.register_subject("alert_group", rows_of(AlertGroup))
tickets.register_subject(AlertTelling.ticket_subject.kind, rows_of(AlertTelling, "group__kind"))
tickets.register_subject(DeliveryPromise.ticket_subject.kind, rows_of(DeliveryPromise, "sub_order__number"))
tickets.register_subject("scan_word", rows_of(ScanWord, "code"))
tickets.register_subject(Polling.ticket_subject.kind, rows_of(Polling, "shipment__number"))
tickets.register_subject(WaybillErrand.ticket_subject.kind, rows_of(WaybillErrand, "reference"))
tickets.register_subject(WaybillBalance.ticket_subject.kind, rows_of(WaybillBalance, "carrier__name"))

tickets.register_subject(Recall.ticket_subject.kind, rows_of(Recall, "shipment__number"))
tickets.register_retry(Recall.ticket_subject.kind, tickets.Retry(RETRY, retrying.retry_recall))

tickets.register_subject(DoorPickUp.ticket_subject.kind, rows_of(DoorPickUp, "number"))
tickets.register_retry(DoorPickUp.ticket_subject.kind, tickets.Retry(RETRY, retrying.retry_pick_up))

tickets.register_subject(StockOrder.ticket_subject.kind, rows_of(StockOrder, "number"))
tickets.register_retry(StockOrder.ticket_subject.kind, tickets.Retry(RETRY, retrying.retry_stock_order))

for _model in (WarehouseOrder, Shipment):
    _kind = _model.ticket_subject.kind
    tickets.register_subject(_kind, rows_of(_model, "number"))
    tickets.register_retry(_kind, tickets.Retry(RETRY, partial(_retry, _model)))
