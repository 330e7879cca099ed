"""Whether an order may go on: review rules and holds."""
