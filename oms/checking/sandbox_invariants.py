"""What must always hold of sandboxes: nothing of theirs is anybody's, and nothing of anybody's is theirs."""

from logistics.by_merchant import speaker
from logistics.models import DoorPickUp, LogisticsAlert, Polling, Recall, Shipment, WarehouseOrder
from oms.common.invariants import Invariant
from oms.common.models import Connection
from oms.merchants import sandboxes
from payments.models import Invoice, LedgerEntry, Payment, SettlementRow
from payments.providers.defaults import BY_HAND

_LINK = Connection._meta.db_table
# Over these nothing leaves this installation.
_INNER = f"SELECT id FROM {_LINK} WHERE protocol IN ('{sandboxes.PROTOCOL}', '{speaker.PROTOCOL}', '{BY_HAND}')"
_PARTS = f"SELECT id FROM orders_suborder WHERE merchant_id IN {sandboxes.IDS}"
_ORDERS = f"SELECT id FROM orders_order WHERE channel_id IN {sandboxes.CHANNELS}"
_OF_RETURNS = f"""
    SELECT u.id, u.connection_id FROM {DoorPickUp._meta.db_table} u
    JOIN orders_returnrequest r ON r.id = u.return_request_id WHERE r.sub_order_id IN ({_PARTS})
"""

INVARIANTS = (
    Invariant(
        "sandboxes_keep_to_themselves",
        "Stock, orders and sub-orders of a sandbox are of its own goods in its own warehouses, and nobody else's are.",
        f"""
        SELECT 'stock' AS what, s.id FROM inventory_stock s JOIN inventory_sku k ON k.id = s.sku_id
        JOIN inventory_warehouse w ON w.id = s.warehouse_id
        WHERE k.merchant_id <> w.merchant_id AND (k.merchant_id IN {sandboxes.IDS} OR w.merchant_id IN {sandboxes.IDS})
        UNION ALL
        SELECT 'sub-order', s.id FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
        JOIN merchants_channel h ON h.id = o.channel_id LEFT JOIN inventory_warehouse w ON w.id = s.warehouse_id
        WHERE (h.merchant_id <> s.merchant_id OR w.merchant_id <> s.merchant_id)
          AND (h.merchant_id IN {sandboxes.IDS} OR s.merchant_id IN {sandboxes.IDS} OR w.merchant_id IN {sandboxes.IDS})
        """,
    ),
    Invariant(
        "sandboxes_reach_nobody",
        "What is asked for orders of a sandbox is asked over connections that lead nowhere, and nothing else is over"
        " those of sandboxes.",
        f"""
        SELECT 'work' AS what, w.id FROM {WarehouseOrder._meta.db_table} w
        WHERE w.sub_order_id IN ({_PARTS}) AND w.connection_id NOT IN ({_INNER})
        UNION ALL
        SELECT 'parcel', h.id FROM {Shipment._meta.db_table} h
        WHERE h.sub_order_id IN ({_PARTS}) AND h.connection_id NOT IN ({_INNER})
        UNION ALL
        SELECT 'polling', p.id FROM {Polling._meta.db_table} p JOIN {Shipment._meta.db_table} h ON h.id = p.shipment_id
        WHERE h.sub_order_id IN ({_PARTS})
        UNION ALL
        SELECT 'recall', r.id FROM {Recall._meta.db_table} r JOIN {Shipment._meta.db_table} h ON h.id = r.shipment_id
        WHERE h.sub_order_id IN ({_PARTS}) AND r.connection_id NOT IN ({_INNER})
        UNION ALL
        SELECT 'pick-up', u.id FROM ({_OF_RETURNS}) AS u WHERE u.connection_id NOT IN ({_INNER})
        UNION ALL
        SELECT 'payment', p.id FROM {Payment._meta.db_table} p LEFT JOIN {_LINK} c ON c.id = p.connection_id
        WHERE p.order_id IN ({_ORDERS}) AND c.code <> '{sandboxes.PAYMENTS}' AND c.protocol <> '{BY_HAND}'
           OR c.code = '{sandboxes.PAYMENTS}' AND p.order_id NOT IN ({_ORDERS})
        """,
    ),
    Invariant(
        "sandboxes_have_no_money",
        "No settlement, no entry of the ledger and no invoice is of an order of a sandbox.",
        f"""
        SELECT 'settlement' AS what, r.id FROM {SettlementRow._meta.db_table} r WHERE r.merchant_id IN {sandboxes.IDS}
        UNION ALL
        SELECT 'ledger', e.id FROM {LedgerEntry._meta.db_table} e WHERE e.order_id IN ({_ORDERS})
        UNION ALL
        SELECT 'invoice', i.id FROM {Invoice._meta.db_table} i WHERE i.order_id IN ({_ORDERS})
        """,
    ),
    Invariant(
        "nobody_is_told_of_sandboxes",
        "No alert is on what is late of a sandbox, and no message went to a buyer of one.",
        f"""
        SELECT 'alert' AS what, a.id FROM {LogisticsAlert._meta.db_table} a WHERE a.sub_order_id IN ({_PARTS})
        UNION ALL
        SELECT 'message', m.id FROM common_buyermessage m WHERE m.about_id IN ({_ORDERS})
        """,
    ),
    Invariant(
        "tickets_of_sandboxes_are_marked",
        "A ticket is marked as a sandbox's exactly if the order that it is about is one of a sandbox.",
        f"""
        SELECT t.id FROM common_ticket t LEFT JOIN orders_order o ON o.id = t.about_id
        WHERE t.is_test <> coalesce(o.channel_id IN {sandboxes.CHANNELS}, false)
        """,
    ),
)
