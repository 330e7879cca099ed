"""What must always hold of parcels and alerts."""

from oms.common.invariants import Invariant

INVARIANTS = (
    Invariant(
        "shipped_sub_orders_have_a_parcel",
        "What left a warehouse has a shipment with a waybill, or a delivered code.",
        """
        SELECT s.number, s.state FROM orders_suborder s
        WHERE s.state IN ('shipped', 'delivered', 'completed', 'rejected', 'returned')
          AND NOT EXISTS (SELECT FROM logistics_shipment h
                          WHERE h.sub_order_id = s.id AND h.waybill_number IS NOT NULL)
          AND NOT EXISTS (SELECT FROM logistics_virtualdelivery v WHERE v.sub_order_id = s.id)
        """,
    ),
    Invariant(
        "delivered_codes_are_sealed",
        "What virtual goods deliver is kept encrypted.",
        # How every token of Fernet begins.
        "SELECT v.id FROM logistics_virtualdelivery v WHERE substring(v.content FOR 6) <> 'gAAAAA'::bytea",
    ),
    Invariant(
        "one_parcel_in_hand",
        "A sub-order has at most one shipment that was not cancelled.",
        """
        SELECT s.number, count(*) FROM logistics_shipment h JOIN orders_suborder s ON s.id = h.sub_order_id
        WHERE h.state <> 'cancelled' GROUP BY s.id HAVING count(*) > 1
        """,
    ),
    Invariant(
        "signed_parcels_are_delivered",
        "A sub-order is delivered or completed just when its parcel is signed for.",
        """
        SELECT s.number, s.state, h.state FROM logistics_shipment h JOIN orders_suborder s ON s.id = h.sub_order_id
        WHERE (h.state = 'signed') <> (s.state IN ('delivered', 'completed'))
        """,
    ),
    Invariant(
        "alerts_are_of_their_parcel",
        "An alert on a parcel names the sub-order of that parcel.",
        """
        SELECT a.id FROM logistics_logisticsalert a JOIN logistics_shipment h ON h.id = a.shipment_id
        WHERE h.sub_order_id <> a.sub_order_id
        """,
    ),
)
