"""The admin site: dashboard and menu."""

from unfold.sites import UnfoldAdminSite


class OmsAdminSite(UnfoldAdminSite):
    """The staff's site."""
