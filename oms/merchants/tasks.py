"""What workers do for the merchants' API from time to time."""

from celery import shared_task

from oms.merchants.calls import idempotency, nonces, refused
from oms.merchants.joining import onboarding

BATCH = 1000
MOST_BATCHES = 100


@shared_task(name="oms.purge_api_records", ignore_result=True)
def purge_api_records() -> int:
    """Delete nonces and idempotency records that have expired, in small batches, and files that were kept for nothing;
    returns how many."""
    deleted = onboarding.purge_kept_files() + refused.forget()
    for purge in (nonces.purge, idempotency.purge):
        for _batch in range(MOST_BATCHES):
            found = purge(BATCH)
            deleted += found
            if found < BATCH:
                break
    return deleted
