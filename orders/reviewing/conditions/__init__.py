"""The typed conditions that review rules are put together from."""

from orders.reviewing.conditions.goods import GOODS
from orders.reviewing.conditions.others import OTHERS
from orders.reviewing.conditions.own import OWN

KINDS = {kind.code: kind for kind in (*OWN, *GOODS, *OTHERS)}

__all__ = ["KINDS"]
