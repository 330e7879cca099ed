"""Returns as people see them: the goods' track of `orders.returning`, and the money that is granted for them."""
