"""Bills of providers, carriers, banks and platforms: read, compared with our books, and explained.

See docs/reconciliation.md.
"""
