"""Small tools around processes: locks between them, waiting for them, the folder of their sockets."""

import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from oms.embedded import addresses
from oms.embedded.errors import EmbeddedError


@contextmanager
def exclusive(path: Path) -> Iterator[int]:
    """Hold an exclusive lock on the file; the kernel drops it however the process ends. Yields its descriptor."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield lock
    finally:
        os.close(lock)


def wait_until(condition: Callable[[], object], timeout_seconds: float) -> bool:
    """Look at the condition until it holds; False after the time-out."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def prepare_socket_folder(data_dir: Path, group_id: int | None = None) -> Path:
    """Make the folder of the sockets, closed to others: whoever reaches PostgreSQL's socket is its superuser."""
    folder = addresses.socket_folder(data_dir)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise EmbeddedError(f"{folder} belongs to somebody else. Remove it, or choose another folder by OMS_DATA_DIR.")
    if group_id is not None:
        os.chown(folder, -1, group_id)
        folder.chmod(0o770)
    return folder
