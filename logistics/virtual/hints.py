"""What tells deliveries apart without giving them away."""

from urllib.parse import urlsplit

from logistics.models import VirtualDelivery

# So many characters at the end of a code are shown to staff, if it has four times as many.
HINT = 4


def hint_of(kind: VirtualDelivery.Kind, content: str) -> str:
    """The end of a long code, a link's host, nothing of an account."""
    if kind == VirtualDelivery.Kind.DOWNLOAD_LINK:
        return (urlsplit(content).hostname or "")[:80]
    if kind == VirtualDelivery.Kind.ACTIVATION_CODE and len(content) >= 4 * HINT:
        return f"…{content[-HINT:]}"
    return ""
