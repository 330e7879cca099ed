"""Servers that speak the outside world's protocols, for `make run`, tests and demos.

A peer verifies what we send, signs what it answers with keys of its own, keeps a book of what it did, tells us by
notifications, and misbehaves on request. It knows nothing of the OMS: only the protocol is between them.
"""
