"""Orders and sub-orders in the merchants' API."""
