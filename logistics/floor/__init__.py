"""Warehouses that are run on this site: waves, checking of goods, weighing, handing over."""
