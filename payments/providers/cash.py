"""Cash that carriers collect at the door: never asked for in advance, and only a person can give it back."""

from collections.abc import Sequence

from payments.providers import Answer, Charge

REASON = "cash cannot be sent back by itself: transfer it to the buyer by hand"


class Cash:
    """See `payments.providers.Provider`."""

    def request(self, charges: Sequence[Charge]) -> dict[str, Answer]:
        """Refuses: cash is collected with the parcel."""
        return {charge.reference: Answer(taken=False, reason=REASON) for charge in charges}

    def refund(self, charges: Sequence[Charge]) -> dict[str, Answer]:
        """Refuses: a person must do it."""
        return {charge.reference: Answer(taken=False, reason=REASON) for charge in charges}


PROVIDER = Cash()
