"""Money that the merchant took itself and told us of: never asked for here, and only the merchant can give it back."""

from collections.abc import Sequence

from payments.providers import Answer, Charge

NAME = "external"
REASON = "the merchant took this money itself: it must send it back and say so"


class External:
    """See `payments.providers.Provider`."""

    def request(self, charges: Sequence[Charge]) -> dict[str, Answer]:
        """Refuses: the merchant asks its buyers itself."""
        return {charge.reference: Answer(taken=False, reason=REASON) for charge in charges}

    def refund(self, charges: Sequence[Charge]) -> dict[str, Answer]:
        """Refuses: the merchant must do it."""
        return {charge.reference: Answer(taken=False, reason=REASON) for charge in charges}


PROVIDER = External()
