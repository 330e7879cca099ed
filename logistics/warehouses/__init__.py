"""What warehouses are asked, and what they say."""
