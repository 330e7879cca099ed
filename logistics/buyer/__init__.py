"""What a buyer sees of an order, and may ask for, by a signed link."""
