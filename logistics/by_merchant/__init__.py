"""Warehouses that their merchants run on their pages and by the API: what is to be shipped, reports, answers."""
