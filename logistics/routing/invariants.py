"""What must always hold of own couriers."""

from logistics.models import Outcome, PlanState
from oms.common.invariants import Invariant
from oms.common.models import Topic

_NUMBER = "(SELECT number FROM logistics_shipment h WHERE h.id = p.shipment_id)"

INVARIANTS = (
    Invariant(
        "stops_in_force_are_of_published_plans",
        "Couriers act on stops of published plans only.",
        f"""
        SELECT {_NUMBER}, o.state FROM logistics_stop x JOIN logistics_routeplan o ON o.id = x.plan_id
        JOIN logistics_courierparcel p ON p.id = x.parcel_id
        WHERE x.is_in_force AND o.state <> '{PlanState.PUBLISHED}'
        """,
    ),
    Invariant(
        "stops_are_of_the_plan_of_their_tour",
        "A stop in a tour is of the tour's plan.",
        f"""
        SELECT {_NUMBER}, x.plan_id, u.plan_id FROM logistics_stop x JOIN logistics_tour u ON u.id = x.tour_id
        JOIN logistics_courierparcel p ON p.id = x.parcel_id WHERE u.plan_id <> x.plan_id
        """,
    ),
    Invariant(
        "nobody_sets_out_with_what_was_asked_back",
        "A parcel that was asked back or cancelled is in force only where its courier was out with it already.",
        f"""
        SELECT {_NUMBER}, p.recalled_at, p.cancelled_at FROM logistics_stop x
        JOIN logistics_tour u ON u.id = x.tour_id JOIN logistics_courierparcel p ON p.id = x.parcel_id
        WHERE x.is_in_force AND u.gone_at IS NULL AND (p.recalled_at IS NOT NULL OR p.cancelled_at IS NOT NULL)
        """,
    ),
    Invariant(
        "what_is_out_stays_with_its_courier",
        "A parcel with which a courier went out, and of which nothing was told since, is in force in no other tour of"
        " that day.",
        f"""
        SELECT {_NUMBER}, u.courier_id, w.courier_id FROM logistics_stop x
        JOIN logistics_tour u ON u.id = x.tour_id AND u.gone_at IS NOT NULL
        JOIN logistics_routeplan o ON o.id = x.plan_id
            AND o.state IN ('{PlanState.PUBLISHED}', '{PlanState.SUPERSEDED}')
        JOIN logistics_stop y ON y.parcel_id = x.parcel_id AND y.is_in_force
        JOIN logistics_tour w ON w.id = y.tour_id AND w.courier_id <> u.courier_id
        JOIN logistics_routeplan v ON v.id = y.plan_id AND v.day = o.day
        JOIN logistics_courierparcel p ON p.id = x.parcel_id
        """,
    ),
    Invariant(
        "reports_from_the_door_are_told",
        "What a courier told of a parcel is a message of a carrier, as well.",
        f"""
        SELECT {_NUMBER}, d.outcome FROM logistics_doorreport d JOIN logistics_courierparcel p ON p.id = d.parcel_id
        WHERE NOT EXISTS (
            SELECT FROM common_inboundfact f
            WHERE f.fact_key = p.waybill || '-door-' || d.key AND f.topic = '{Topic.CARRIER}')
        """,
    ),
    Invariant(
        "cash_taken_at_the_door_is_what_was_due",
        "Who hands a parcel over takes what is to be collected with it.",
        f"""
        SELECT {_NUMBER}, p.cod_amount, d.cash FROM logistics_doorreport d
        JOIN logistics_courierparcel p ON p.id = d.parcel_id
        WHERE d.outcome = '{Outcome.SIGNED}' AND d.cash <> p.cod_amount
        """,
    ),
    Invariant(
        "waybills_of_own_couriers_are_theirs",
        "A parcel that goes over the account of own couriers has the waybill that its station issued.",
        """
        SELECT h.number, h.waybill_number, p.waybill FROM logistics_shipment h
        JOIN common_connection link ON link.id = h.connection_id AND link.protocol = 'courier'
        LEFT JOIN logistics_courierparcel p ON p.shipment_id = h.id
        WHERE h.waybill_number IS NOT NULL AND h.waybill_number IS DISTINCT FROM p.waybill
        """,
    ),
)
