"""Asking carriers for parcels that left: to send them back (拦截) or to bring them elsewhere (改址)."""
