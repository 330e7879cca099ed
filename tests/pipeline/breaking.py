"""Parts of statements that break what must always hold, for an order whose id is put in for `%(order)s`."""

OF_ORDER = "WHERE sub_order_id IN (SELECT id FROM orders_suborder WHERE order_id = %(order)s)"
# A return of the order's first sub-order without lines; and one with a unit that it holds.
RETURN = (
    "INSERT INTO orders_returnreason (code, name, fault, grant_reason) VALUES ('x', '', 'buyer', 'x'); INSERT INTO"
    " orders_returnrequest (number, order_id, sub_order_id, kind, state, reason_id, fault, way_back_by, pays_on,"
    " outside_terms, decide_hours, ship_days, inspect_hours, requested_by_kind, requested_by) SELECT o.number || '-T1',"
    " o.id, s.id, 'return_and_refund', 'requested', r.id, 'buyer', 'merchant', 'inspection', '[]', 1, 1, 1, 'staff',"
    " 'li' FROM orders_order o"
    " JOIN LATERAL (SELECT id FROM orders_suborder WHERE order_id = o.id ORDER BY id LIMIT 1) AS s ON true,"
    " orders_returnreason r WHERE o.id = %(order)s AND r.code = 'x'"
)
EXCHANGE = (
    f"{RETURN}; INSERT INTO orders_exchange (return_request_id, wish, new_order_id, leaves, credit, new_amount,"
    " begun_at, kept) SELECT id, '[]', order_id, 'at_once', 1, 1, now(), '{}' FROM orders_returnrequest"
)
MONEY_OF_EXCHANGE = (
    "INSERT INTO payments_payment (number, order_id, means, state, amount, captured_amount, captured_at, attempts,"
    " last_error, lease_token) SELECT number || '-P9', id, 'exchange', 'captured', 1, 1, now(), 0, '', 0"
    " FROM orders_order WHERE id = %(order)s"
)
RETURN_OF_LINE = (
    f"{RETURN}; INSERT INTO orders_returnline (return_request_id, sub_order_line_id, announced_quantity, quantity,"
    " open_quantity) SELECT r.id, (SELECT min(l.id) FROM orders_suborderline l WHERE l.sub_order_id = r.sub_order_id),"
    " 1, 1, 1 FROM orders_returnrequest r WHERE r.order_id = %(order)s"
)
# Somebody of the order's merchant who is told of such news, and is called as the order.
RECEIVER = (
    "INSERT INTO merchants_merchantreceiver (merchant_id, name, means, kinds, every_minutes, language, is_active,"
    " connection_id) SELECT h.merchant_id, o.number, 'mail', ARRAY['{}'], 1, 'en', true, c.id FROM orders_order o"
    " JOIN merchants_channel h ON h.id = o.channel_id,"
    " LATERAL (SELECT min(id) AS id FROM common_connection) AS c WHERE o.id = %(order)s"
)
