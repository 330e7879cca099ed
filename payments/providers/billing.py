"""What the adapters share in fetching bills."""

from collections.abc import Callable, Collection, Mapping

from django.conf import settings

from oms.common.models import Connection
from oms.common.work.http import client
from oms.common.work.singly import Unclear
from payments.providers.errors import NotReady


def of_forms(forms: Collection[str], fetch: Callable[[str], bytes]) -> Mapping[str, bytes]:
    """The files of those forms that the provider has by now. Raises NotReady where it has none of them."""
    files: dict[str, bytes] = {}
    missing: NotReady | None = None
    for form in forms:
        try:
            files[form] = fetch(form)
        except NotReady as error:
            missing = error
    if missing is not None and not files:
        raise missing
    return files


def fetched(link: Connection, url: str, headers: Mapping[str, str] | None = None) -> bytes:
    """The file at an address that the provider named. Raises httpx.HTTPError, and Unclear for one that is too large."""
    with client().stream("GET", url, headers=headers, timeout=link.timeout_seconds) as response:
        response.raise_for_status()
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > settings.BILL_MAX_BYTES:
                raise Unclear("the bill is larger than bills may be")
        return bytes(content)
