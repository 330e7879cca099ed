"""Exchanges: goods for goods, to the fen."""
