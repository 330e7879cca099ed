"""Whether an order may go on: interception rules and holds."""
