"""What must always hold of charges, what buyers owe and why, of merges, gifts and re-issues."""

from oms.common.invariants import Invariant
from oms.common.states import listed
from orders import kinds
from orders.changing import charging
from orders.changing import kinds as change_kinds
from orders.changing.cancellation import OF_REQUESTS
from orders.intake.promotion_rules import RuleKind
from orders.models import WAITING_SETS, ChangeSetState, ChargeCause, Hold, OrderState, SubOrderState
from orders.models.charge import BILLED, DEPOSITS, KEPT, OF_CHANGES, OF_GONE_UNITS, ChargeComponent
from orders.models.order import OVER
from orders.models.order_link import LinkKind, ReissueReason
from orders.models.sub_order import HOLDING_STOCK, UNDONE

INVARIANTS = (
    Invariant(
        "orders_are_charged_what_they_cost",
        "The charges of placing, and of changes since, are the order's amounts, component by component; orders of the"
        " past have none. What had no price then is charged once it has.",
        f"""
        SELECT o.number, c.component, c.amount, p.amount AS charged FROM orders_order o
        CROSS JOIN LATERAL {charging.of_order("o")} AS c(component, amount)
        LEFT JOIN (SELECT order_id, component, sum(amount) AS amount FROM orders_ordercharge
                   WHERE cause IN ({listed(BILLED)}) GROUP BY order_id, component) p
          ON p.order_id = o.id AND p.component = c.component
        WHERE CASE WHEN o.is_historical THEN 0 ELSE c.amount END <> coalesce(p.amount, 0)
        """,
    ),
    Invariant(
        "nothing_is_owed_for_units_that_are_gone",
        "Of a sub-order that was cancelled or came back, all that was charged is taken back; of another only what went"
        " with units that came back by themselves, and before the split what goes with units that are to be cancelled.",
        f"""
        SELECT s.number, s.state, s.payable_amount, c.amount FROM orders_suborder s
        LEFT JOIN (SELECT sub_order_id, sum(amount) AS amount FROM orders_ordercharge
                   WHERE cause IN ({listed(OF_GONE_UNITS)}) GROUP BY sub_order_id) c ON c.sub_order_id = s.id
        WHERE CASE WHEN s.state IN ({listed(UNDONE)}) THEN coalesce(c.amount, 0) <> -s.payable_amount
                   WHEN EXISTS (SELECT FROM orders_suborderline l
                                WHERE l.sub_order_id = s.id AND l.returned_quantity > 0)
                   THEN coalesce(c.amount, 0) NOT BETWEEN -s.payable_amount AND 0
                   ELSE coalesce(c.amount, 0) <> 0 END
        UNION ALL
        SELECT o.number, o.state, o.payable_amount, sum(c.amount) FROM orders_ordercharge c
        JOIN orders_order o ON o.id = c.order_id AND o.state <> '{OrderState.CANCELLED}'
        JOIN orders_orderline l ON l.id = c.line_id
        WHERE c.sub_order_id IS NULL AND c.cause IN ({listed(OF_GONE_UNITS)})
        GROUP BY o.id, l.id, c.component HAVING sum(c.amount) <> 0
            AND (o.split_at IS NOT NULL OR NOT coalesce(o.units_to_cancel ? l.position::text, false))
        """,
    ),
    Invariant(
        "units_that_came_back_take_their_shares_along",
        "Of each component of a line's part, the units that are gone took no more than there was, and all where all of"
        " them are gone.",
        f"""
        SELECT s.number, l.order_line_id, v.component, v.amount, v.gone FROM orders_suborderline l
        JOIN orders_suborder s ON s.id = l.sub_order_id
        CROSS JOIN LATERAL (
            SELECT c.component, c.amount, coalesce(-sum(g.amount), 0) AS gone
            FROM {charging.of_line("l")} AS c(component, amount)
            LEFT JOIN orders_ordercharge g ON g.order_id = s.order_id AND g.sub_order_id = s.id
              AND g.line_id = l.order_line_id AND g.component = c.component AND g.cause IN ({listed(OF_GONE_UNITS)})
            GROUP BY c.component, c.amount) AS v
        WHERE l.returned_quantity > 0 AND (abs(v.gone) > abs(v.amount) OR v.gone * v.amount < 0
            OR (l.returned_quantity = l.quantity AND v.gone <> v.amount))
        """,
    ),
    Invariant(
        "nothing_lost_is_kept_of_orders_that_are_gone",
        "What is kept beyond the shares of kept goods is never less than nothing for any cause, and no promotion takes"
        " back more than it gave; of an order of which nothing is left only freight and gifts are kept.",
        f"""
        SELECT o.number, k.cause, k.reference, k.amount FROM (
            SELECT order_id, cause, reference, sum(amount) AS amount, sum(amount) FILTER (
                WHERE component NOT IN ('{ChargeComponent.GIFT_CARD}', '{ChargeComponent.POINTS}')) AS whole
            FROM orders_ordercharge WHERE cause IN ({listed(KEPT)}) GROUP BY order_id, cause, reference) AS k
        JOIN orders_order o ON o.id = k.order_id
        LEFT JOIN orders_orderpromotion p ON p.order_id = o.id AND p.code = k.reference
        WHERE k.amount < 0 OR k.whole < 0
           OR (k.cause = '{ChargeCause.PROMOTION_LOST}' AND k.whole <> 0 AND (
                o.state IN ('{OrderState.CANCELLED}', '{OrderState.CLOSED}')
                OR (p.rule->>'kind' IN ({listed(RuleKind)}) AND p.rule->>'kind' <> '{RuleKind.FREE_SHIPPING}'
                    AND k.whole > p.amount)))
        """,
    ),
    Invariant(
        "no_tender_keeps_more_than_it_paid",
        "Of what a gift card and points paid, no less than nothing and no more than that is kept.",
        f"""
        SELECT o.number, c.component, sum(c.amount) FROM orders_ordercharge c JOIN orders_order o ON o.id = c.order_id
        WHERE c.component IN ('{ChargeComponent.GIFT_CARD}', '{ChargeComponent.POINTS}')
        GROUP BY o.id, c.component HAVING sum(c.amount) > 0
            OR sum(c.amount) < -(CASE c.component WHEN '{ChargeComponent.POINTS}' THEN o.points_amount
                                 ELSE o.gift_card_amount END)
        """,
    ),
    Invariant(
        "nobody_owes_less_than_nothing",
        "The charges of an order add up to nothing less than 0, of a cancelled one to 0, but for deposits; of a deposit"
        " no less than nothing is kept.",
        f"""
        SELECT o.number, o.state, sum(c.amount) AS owed
        FROM orders_order o JOIN orders_ordercharge c ON c.order_id = o.id
        GROUP BY o.id HAVING sum(c.amount) < 0
            OR (o.state = '{OrderState.CANCELLED}'
                AND sum(c.amount) FILTER (WHERE c.cause NOT IN ({listed(DEPOSITS)})) <> 0)
            OR sum(c.amount) FILTER (WHERE c.cause = '{ChargeCause.DEPOSIT_HELD}') < 0
            OR sum(c.amount) FILTER (WHERE c.cause = '{ChargeCause.FORFEITED}') < 0
        """,
    ),
    Invariant(
        "what_was_asked_of_warehouses_has_its_end",
        "Once no sub-order of an order waits for a warehouse's answer, the timeline says how the last request ended.",
        f"""
        SELECT o.number, e.id FROM (
            SELECT DISTINCT ON (order_id) order_id, id, kind FROM orders_orderevent
            WHERE kind IN ({listed(OF_REQUESTS)}) ORDER BY order_id, id DESC) e JOIN orders_order o ON o.id = e.order_id
        WHERE e.kind = '{kinds.CANCEL_REQUESTED}' AND NOT EXISTS (
            SELECT FROM orders_suborder s WHERE s.order_id = o.id AND s.cancel_requested_at IS NOT NULL)
        """,
    ),
    Invariant(
        "charges_name_what_is_the_orders",
        "A charge is of an order; the sub-order and the line that it names are that order's, or the line is of a gift"
        " that followed the order and is charged for.",
        f"""
        SELECT c.id FROM orders_ordercharge c
        LEFT JOIN orders_order o ON o.id = c.order_id
        LEFT JOIN orders_suborder s ON s.id = c.sub_order_id
        LEFT JOIN orders_orderline l ON l.id = c.line_id
        WHERE o.id IS NULL OR (c.sub_order_id IS NOT NULL AND s.order_id IS DISTINCT FROM c.order_id)
           OR (c.line_id IS NOT NULL AND l.order_id IS DISTINCT FROM c.order_id AND NOT (
                c.cause = '{ChargeCause.GIFT_KEPT}' AND EXISTS (SELECT FROM orders_giftgrant g
                    WHERE g.line_id = c.line_id AND g.order_id = c.order_id AND g.after_days IS NOT NULL)))
        """,
    ),
    Invariant(
        "merged_sub_orders_belong_together",
        "What is merged, and no warehouse has yet, is at the warehouse of the merge and held by nothing; as long as it"
        " has not left, all of a merge goes to one recipient and is paid in one way.",
        f"""
        SELECT s.number, s.state FROM orders_suborder s LEFT JOIN orders_mergegroup g ON g.id = s.merge_group_id
        WHERE s.merge_group_id IS NOT NULL AND s.state = '{SubOrderState.ALLOCATED}'
          AND (g.warehouse_id IS DISTINCT FROM s.warehouse_id OR s.is_held OR s.cancel_requested_at IS NOT NULL)
        UNION ALL
        SELECT min(s.number), '' FROM orders_suborder s JOIN orders_order o ON o.id = s.order_id
        JOIN merchants_channel c ON c.id = o.channel_id LEFT JOIN orders_orderterms t ON t.order_id = o.id
        WHERE s.merge_group_id IS NOT NULL AND s.state IN ({listed(HOLDING_STOCK)}) GROUP BY s.merge_group_id
        HAVING count(DISTINCT (s.payment_method, s.merchant_id, c.merchant_id, o.buyer_reference,
            coalesce(nullif(t.merge_key, ''), concat_ws('|', o.recipient_phone, o.region_id, o.address_key)))) > 1
        """,
    ),
    Invariant(
        "merges_are_told",
        "The story of an order tells of every merge that its sub-orders are in.",
        f"""
        SELECT s.number FROM orders_suborder s WHERE s.merge_group_id IS NOT NULL AND NOT EXISTS (
            SELECT FROM orders_orderevent e WHERE e.sub_order_id = s.id AND e.kind = '{change_kinds.MERGED}')
        """,
    ),
    Invariant(
        "gifts_are_what_their_log_says",
        "What a gift rule gave is a gift line of that order with those units, and its story tells of it.",
        f"""
        SELECT o.number, g.rule_id, g.units, l.quantity FROM orders_giftgrant g JOIN orders_order o ON o.id = g.order_id
        LEFT JOIN orders_orderline l ON l.id = g.line_id
        WHERE g.after_days IS NULL AND (
            l.order_id IS DISTINCT FROM g.order_id OR NOT l.is_gift OR l.quantity <> g.units OR NOT EXISTS (
            SELECT FROM orders_orderevent e WHERE e.order_id = g.order_id AND e.kind = '{change_kinds.GIFT_GIVEN}'))
        """,
    ),
    Invariant(
        "gifts_follow_once_by_their_log",
        "What a gift rule promised for after completion is in the order's story; it follows once, by an order for"
        " nothing with those units, or not at all; it has its day once the order is over.",
        f"""
        SELECT o.number, g.rule_id, g.units, l.quantity FROM orders_giftgrant g JOIN orders_order o ON o.id = g.order_id
        LEFT JOIN orders_orderline l ON l.id = g.line_id LEFT JOIN orders_orderlink k ON k.order_id = l.order_id
        WHERE g.after_days IS NOT NULL AND (
            NOT EXISTS (SELECT FROM orders_orderevent e
                WHERE e.order_id = g.order_id AND e.kind = '{change_kinds.GIFT_PROMISED}')
            OR (g.line_id IS NULL AND g.dropped = '' AND g.ready_at IS NULL AND o.state IN ({listed(OVER)}))
            OR (g.line_id IS NOT NULL AND (k.original_id IS DISTINCT FROM g.order_id
                OR k.reason <> '{ReissueReason.GIFT}' OR l.quantity <> g.units)))
        UNION ALL
        SELECT o.number, 0, 0, count(g.id) FROM orders_orderlink k JOIN orders_order o ON o.id = k.order_id
        JOIN orders_orderline l ON l.order_id = k.order_id LEFT JOIN orders_giftgrant g ON g.line_id = l.id
        WHERE k.reason = '{ReissueReason.GIFT}' GROUP BY o.id, k.order_id HAVING count(*) <> 1 OR count(g.id) <> 1
        """,
    ),
    Invariant(
        "changes_that_wait_hold_their_order",
        "A change that waits for its payment, or for warehouses, holds its order until it is over, and no order is held"
        " for another reason of that kind.",
        f"""
        SELECT o.number, c.number AS change, c.state, h.id FROM (
            SELECT * FROM orders_changeset WHERE state IN ({listed(WAITING_SETS)})) AS c
        FULL JOIN (
            SELECT * FROM orders_hold WHERE kind = '{Hold.Kind.CHANGE}' AND released_at IS NULL) AS h
            ON h.order_id = c.order_id AND h.reason = c.number
        JOIN orders_order o ON o.id = coalesce(c.order_id, h.order_id)
        WHERE (h.id IS NULL AND o.state NOT IN ({listed(OVER)})) OR c.id IS NULL
        """,
    ),
    Invariant(
        "changes_are_charged_as_they_were_confirmed",
        "What is charged for a change is of one that was confirmed and told; what it set off was billed less by it, so"
        " that the buyer was billed just what is owed more.",
        f"""
        SELECT o.number, c.reference, c.billed, c.set_off FROM (
            SELECT order_id, reference,
                coalesce(sum(amount) FILTER (WHERE cause = '{ChargeCause.SET_OFF}'), 0) AS set_off,
                -coalesce(sum(amount) FILTER (WHERE component = '{ChargeComponent.EXTRA}'
                    AND cause IN ({listed(OF_CHANGES)})), 0) AS billed_less,
                coalesce(sum(amount) FILTER (WHERE cause IN ({listed(OF_CHANGES)})), 0) AS billed
            FROM orders_ordercharge WHERE cause IN ({listed(OF_CHANGES)}, '{ChargeCause.SET_OFF}')
            GROUP BY order_id, reference) AS c
        JOIN orders_order o ON o.id = c.order_id
        LEFT JOIN orders_changeset s ON s.order_id = c.order_id AND s.number = c.reference
          AND s.state = '{ChangeSetState.CONFIRMED}'
        WHERE s.id IS NULL OR c.set_off <> c.billed_less OR c.set_off < 0
           OR NOT EXISTS (SELECT FROM orders_orderevent e WHERE e.order_id = c.order_id
                AND e.kind = '{change_kinds.CHANGED}' AND e.data->>'number' = c.reference)
           OR (c.set_off > 0 AND c.billed * 100 <>
                greatest((s.outcome->>'after')::bigint - (s.outcome->>'before')::bigint, 0))
        """,
    ),
    Invariant(
        "what_is_sent_again_costs_nothing",
        "An order that sends goods of another one again costs nothing, goes to the same shop's buyer, and both stories"
        " tell of it.",
        f"""
        SELECT o.number, k.original_id, o.payable_amount FROM orders_orderlink k
        JOIN orders_order o ON o.id = k.order_id LEFT JOIN orders_order f ON f.id = k.original_id
        WHERE k.kind = '{LinkKind.REISSUE}' AND (
            o.payable_amount <> 0 OR f.channel_id IS DISTINCT FROM o.channel_id
            OR NOT EXISTS (SELECT FROM orders_orderevent e
                WHERE e.order_id = o.id AND e.kind = '{change_kinds.FOLLOWS}')
            OR NOT EXISTS (SELECT FROM orders_orderevent e
                WHERE e.order_id = f.id AND e.kind = '{change_kinds.REISSUED}'))
        """,
    ),
)
