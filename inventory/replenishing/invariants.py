"""What must always hold of alert lines and of what is suggested."""

from inventory.models import SuggestionKind, SuggestionState
from oms.common.invariants import Invariant

INVARIANTS = (
    Invariant(
        "open_suggestions_are_of_positions_at_their_line",
        "A suggestion that is to be decided belongs to a policy whose position came down to its line.",
        f"""
        SELECT g.id, p.id FROM inventory_replenishmentsuggestion g
        JOIN inventory_replenishmentpolicy p ON p.id = g.policy_id
        WHERE g.state = '{SuggestionState.OPEN}' AND p.below_since IS NULL
        """,
    ),
    Invariant(
        "suggestions_were_acted_on_as_they_said",
        "The purchase order or transfer of a suggestion is of its SKU, warehouses and units.",
        """
        SELECT g.id, o.number FROM inventory_replenishmentsuggestion g
        JOIN inventory_replenishmentpolicy p ON p.id = g.policy_id
        JOIN inventory_purchaseorder o ON o.id = g.purchase_order_id
        LEFT JOIN inventory_purchaseorderline l ON l.order_id = o.id AND l.sku_id = p.sku_id
        WHERE (o.warehouse_id = p.warehouse_id AND l.quantity = g.quantity) IS NOT TRUE
        UNION ALL
        SELECT g.id, t.reference FROM inventory_replenishmentsuggestion g
        JOIN inventory_replenishmentpolicy p ON p.id = g.policy_id
        JOIN inventory_transfer t ON t.id = g.transfer_id
        LEFT JOIN inventory_transferline l ON l.transfer_id = t.id AND l.sku_id = p.sku_id
        WHERE ((t.source_id, t.target_id, l.quantity) = (g.source_id, p.warehouse_id, g.quantity)) IS NOT TRUE
        """,
    ),
    Invariant(
        "nothing_is_moved_to_where_it_lies",
        "A suggestion to move goods takes them from another warehouse than its policy's.",
        f"""
        SELECT g.id, g.source_id FROM inventory_replenishmentsuggestion g
        JOIN inventory_replenishmentpolicy p ON p.id = g.policy_id
        WHERE g.kind = '{SuggestionKind.MOVE}' AND g.source_id = p.warehouse_id
        """,
    ),
)
