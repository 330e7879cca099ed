"""The API's operations on orders and sub-orders."""
