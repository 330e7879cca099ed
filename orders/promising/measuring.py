"""How large a sub-order is, as carriers reckon: kept promises and the choice of who sends it go by the same figures."""

from inventory.promising.quoting import MM3_OF_A_CM3, MM_OF_A_CM

# For a query of sub-orders `s`: `size.volume_cm3` and `size.longest_side_cm`, both NULL where the size of a unit is not
# known. As `inventory.promising.quoting.measured`.
SIZE = f"""
    LEFT JOIN LATERAL (
        SELECT ceil(sum(l.quantity * k.length_mm::numeric * k.width_mm * k.height_mm) / {MM3_OF_A_CM3})::bigint
                AS volume_cm3,
            ceil(max(greatest(k.length_mm, k.width_mm, k.height_mm)) / {MM_OF_A_CM}.0)::int AS longest_side_cm
        FROM orders_suborderline l JOIN orders_orderline ol ON ol.id = l.order_line_id
        JOIN inventory_sku k ON k.id = ol.sku_id
        WHERE l.sub_order_id = s.id HAVING bool_and(k.length_mm IS NOT NULL)
    ) AS size ON true
"""
