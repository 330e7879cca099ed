"""Returns (售后): asked for, decided by terms that staff keep, sent back, received, inspected and restocked.

The goods' track is here; the money's follows the grant that `payments.returning.granting` makes of it.
"""
