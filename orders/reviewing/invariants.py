"""What must always hold of holds that can be taken back, and of the review."""

from oms.common.invariants import Invariant
from orders.models import Hold, OrderState, Outcome, UndoableAction

_WAITING, _CANCEL = UndoableAction.State.WAITING, UndoableAction.Kind.CANCEL

INVARIANTS = (
    Invariant(
        "what_can_be_taken_back_holds_its_order",
        "A cancellation that can still be taken back holds its order, unless that ended otherwise meanwhile; no other"
        " order is held for it.",
        f"""
        SELECT o.number, 'no action' AS what FROM orders_hold h JOIN orders_order o ON o.id = h.order_id
        WHERE h.kind = '{Hold.Kind.UNDO}' AND h.released_at IS NULL AND NOT EXISTS (
            SELECT FROM orders_undoableaction a WHERE a.order_id = h.order_id AND a.kind = '{_CANCEL}'
              AND a.state = '{_WAITING}' AND a.hold_ids @> to_jsonb(h.id))
        UNION ALL
        SELECT o.number, 'no hold' FROM orders_undoableaction a JOIN orders_order o ON o.id = a.order_id
        WHERE a.kind = '{_CANCEL}' AND a.state = '{_WAITING}' AND o.state <> '{OrderState.CANCELLED}'
          AND NOT EXISTS (SELECT FROM orders_hold h WHERE h.order_id = o.id AND h.kind = '{Hold.Kind.UNDO}'
              AND h.released_at IS NULL)
        """,
    ),
    Invariant(
        "holds_of_rules_tell_their_figures",
        "What a review rule holds, it held by a decision that names the rule; an approval is asked for by such holds"
        " alone.",
        f"""
        SELECT o.number, h.opened_by FROM orders_hold h JOIN orders_order o ON o.id = h.order_id
        WHERE h.details ? 'facts' AND NOT EXISTS (
            SELECT FROM orders_reviewdecision d CROSS JOIN LATERAL jsonb_array_elements(d.hits) AS t(hit)
            WHERE d.order_id = h.order_id AND (t.hit ->> 0)::bigint = h.rule_id
              AND t.hit ->> 2 IN ('{Outcome.HOLD}', '{Outcome.APPROVAL}', '{Outcome.REJECT}'))
        UNION ALL
        SELECT o.number, h.opened_by FROM orders_hold h JOIN orders_order o ON o.id = h.order_id
        WHERE h.level > 0 AND h.kind <> '{Hold.Kind.RULE}'
        """,
    ),
)
