"""What people of merchants may do on the merchants' pages, by their role, as Django asks for it.

Rights of these pages are called `portal.ship` and so on; nobody among staff can be given one.
"""

from typing import Any

from django.contrib.auth.backends import BaseBackend

from oms.merchants.joining.roles import Right, may
from oms.merchants.models import MerchantUser


def membership(user: Any) -> MerchantUser | None:
    """Whose user it is and in which role, looked up once for each user object, so once a request."""
    if not hasattr(user, "_membership"):
        found = None
        if user.is_authenticated and user.is_active:
            found = MerchantUser.objects.select_related("merchant").filter(user_id=user.pk).first()
        user._membership = found
    return user._membership  # type: ignore[no-any-return]


class RoleBackend(BaseBackend):
    """Gives the people of merchants the rights of their role on the merchants' pages, and nothing else."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        """Whether the role has it."""
        site, _dot, right = perm.partition(".")
        if site != "portal" or right not in Right.values:
            return False
        person = membership(user_obj)
        return person is not None and may(person.role, Right(right))
