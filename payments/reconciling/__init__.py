"""Bills of providers, carriers, banks and platforms: read, compared with our books, explained (docs/reconciliation.md)."""
