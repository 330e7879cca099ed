"""The client of `kdnmcp`, as it was published. Its package names the server library fastmcp in an annotation; of that
nothing is run, so that a stand-in saves some forty packages."""

import sys
from types import ModuleType

_server = ModuleType("fastmcp")
_server.Context = object  # type: ignore[attr-defined] - a module made here
sys.modules.setdefault("fastmcp", _server)

from models.kdniao_models import RecognizeRequest, TrackRequest  # noqa: E402 - needs the stand-in
from utils.kdniao_client import KDNiaoAPIError, KDNiaoClient  # noqa: E402 - needs the stand-in

__all__ = ["KDNiaoAPIError", "KDNiaoClient", "RecognizeRequest", "TrackRequest"]
