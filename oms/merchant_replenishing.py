"""What merchants see and say of their alert lines, and what is suggested for them."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.contrib.filters.admin import ChoicesDropdownFilter

from inventory.models import ReplenishmentPolicy, ReplenishmentSuggestion
from inventory.replenishing import policies
from inventory.replenishing.policies import NewPolicy, Outcome
from inventory.replenishing.policy_pages import BelowFilter, PolicyPages
from inventory.replenishing.suggestion_pages import ReadSuggestions
from oms.merchant_admin import OwnPages, merchant_of, site
from oms.merchants.models import Merchant


class OwnPolicies(OwnPages, PolicyPages):
    """The alert lines of the merchant's SKUs: new ones by rows, each changed by its page."""

    changes = "portal.catalogue"
    change_list_template = PolicyPages.change_list_template
    may_change = True
    # Not by warehouse: the choices would name those of others.
    list_filter = (BelowFilter, ("basis", ChoicesDropdownFilter))

    def own(self, merchant: Merchant) -> QuerySet[ReplenishmentPolicy]:
        """As the API."""
        return ReplenishmentPolicy.objects.visible_to(merchant)

    def merchant_for(self, request: HttpRequest, data: Mapping[str, Any]) -> Merchant:
        """Whoever is logged in."""
        merchant = merchant_of(request)
        if merchant is None:
            raise PermissionDenied
        return merchant

    def set_many(self, request: HttpRequest, merchant: Merchant, rows: Sequence[NewPolicy]) -> list[Outcome]:
        """Of the merchant's own goods, whatever is posted."""
        own = self.merchant_for(request, {})
        return policies.set_policies(own, rows, actor=f"{own.code} {request.user.get_username()}")

    def may_set(self, request: HttpRequest) -> bool:
        """Whose role changes the catalogue."""
        return self.has_change_permission(request)


class OwnSuggestions(ReadSuggestions, OwnPages):
    """What is suggested for the merchant's SKUs. Staff decide, and who it was is theirs."""

    fields = (*ReadSuggestions.fields[:-1], "reason")
    list_filter = (("state", ChoicesDropdownFilter), ("kind", ChoicesDropdownFilter))

    def own(self, merchant: Merchant) -> QuerySet[ReplenishmentSuggestion]:
        """As the API."""
        return ReplenishmentSuggestion.objects.visible_to(merchant)


site.register(ReplenishmentPolicy, OwnPolicies)
site.register(ReplenishmentSuggestion, OwnSuggestions)
