"""Presale: what is not shipped before a date waits, with its stock reserved, until then.

`ready_at` is that date, so that no queue walks over what waits. The condition holds it back also where something made
it ready before, such as a person who tried again.
"""

# For queues of sub-orders (alias `q`): their date is not come yet.
NOT_YET = "(q.ship_not_before IS NOT NULL AND q.ship_not_before > now())"
# When a sub-order (alias `s`) that is allocated now may go on.
READY_AT = "greatest(now(), s.ship_not_before)"
