"""Parcels on their way back from buyers: followed like any other, and told to the returns that they are of."""
