"""Which sub-orders a parcel has goods of."""

# (shipment_id, sub_order_id) of the shipments whose ids are the parameter `ids`. What is in a parcel says it; one whose
# contents nobody told, such as the second box of one article, belongs to the sub-order whose number it carries.
SUB_ORDERS_OF = """
    SELECT DISTINCT x.shipment_id, l.sub_order_id
    FROM logistics_shipmentline x JOIN orders_suborderline l ON l.id = x.sub_order_line_id
    WHERE x.shipment_id = ANY(%(ids)s::bigint[])
    UNION ALL
    SELECT h.id, h.sub_order_id FROM logistics_shipment h
    WHERE h.id = ANY(%(ids)s::bigint[])
      AND NOT EXISTS (SELECT FROM logistics_shipmentline x WHERE x.shipment_id = h.id)
"""
