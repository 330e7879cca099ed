"""Connections by the code in the address of their callbacks, remembered by each process until somebody changes them."""

import re

from oms.common.models import Connection
from oms.common.work import remembering
from oms.common.work.remembering import Memory

# Whatever else a slug may be: the code stands in the text of a statement.
_CODE = re.compile(r"[-a-zA-Z0-9_]{1,40}")
_memories: dict[str, Memory[Connection | None]] = {}


def by_code(code: str) -> Connection | None:
    """The connection as it is set up now; how calls to it fare may be of old. None where there is none. One small
    statement while nobody changes it. What is returned is shared: not to be changed or saved."""
    memory = _memories.get(code)
    if memory is None:
        remembering.ask_first()
        if not _CODE.fullmatch(code) or not Connection.objects.filter(code=code).exists():
            return None
        memory = _memories[code] = Memory(
            # With when it was made: in another database the same version may be another connection's.
            "SELECT coalesce((SELECT concat_ws(' ', id, version, created_at) FROM common_connection"
            f" WHERE code = '{code}'), '')",
            lambda: Connection.objects.filter(code=code).first(),
        )
    return memory.get()
