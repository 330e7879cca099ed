"""Change sets, exchanges and what else follows from a change of mind after an order was placed."""
