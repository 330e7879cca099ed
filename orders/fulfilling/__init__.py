"""From an approved order to its end: sub-orders, stock, completion."""
