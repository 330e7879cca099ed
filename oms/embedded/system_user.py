"""The unprivileged user that PostgreSQL runs as where we are root, because it refuses to run as root."""

import os
import pwd
import stat
import struct
import subprocess
import sys
from pathlib import Path

from oms.embedded.errors import EmbeddedError

NAME = "pgserver"
_ACL = "system.posix_acl_access"
_OWNER, _USER, _GROUP, _MASK, _OTHERS = 0x01, 0x02, 0x04, 0x10, 0x20
_NOBODY_IN_PARTICULAR = 0xFFFFFFFF


def system_user() -> pwd.struct_passwd | None:
    """The user to run PostgreSQL as, made where it is missing; None where we are not root and need nobody else."""
    if os.getuid() != 0:
        return None
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        pass
    command = ["useradd", "--system", "--no-create-home", "--home-dir", "/", "--shell", "/bin/false", NAME]
    try:
        subprocess.run(command, check=False, capture_output=True)  # noqa: S603
        return pwd.getpwnam(NAME)  # also where another process was quicker
    except (OSError, KeyError) as error:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and the system user {NAME} for it could not be made. "
            "Work as an ordinary user, or set DATABASE_URL to a server of your own."
        ) from error


def let_in(folder: Path, user: pwd.struct_passwd) -> None:
    """Let this user, and nobody else, pass through the folder and those above it. It may still not list them."""
    for closed in reversed([folder, *folder.parents]):
        if closed.stat().st_mode & stat.S_IXOTH or _can_pass(closed, user):
            continue
        try:
            _grant_passage(closed, user.pw_uid)
        except (OSError, AttributeError) as error:  # a file system, or a Python (macOS), without such rights
            raise EmbeddedError(
                f"PostgreSQL does not run as root, and the user {user.pw_name} that it runs as cannot pass through "
                f"{closed}. Run `chmod o+x {closed}`, or work as an ordinary user, or set DATABASE_URL."
            ) from error
        print(f"OMS: the user {user.pw_name}, which PostgreSQL runs as, may now pass through {closed}", file=sys.stderr)


def _can_pass(folder: Path, user: pwd.struct_passwd) -> bool:
    test = ["test", "-x", str(folder)]
    result = subprocess.run(test, user=user.pw_uid, group=user.pw_gid, extra_groups=[])  # noqa: S603
    return result.returncode == 0


def _grant_passage(folder: Path, user_id: int) -> None:
    """What `setfacl -m u:USER:x` does; that tool is often missing."""
    mode = folder.stat().st_mode
    try:
        entries = {(tag, who): rights for tag, rights, who in struct.iter_unpack("<HHI", os.getxattr(folder, _ACL)[4:])}
    except OSError:  # no list yet: the mode says it all
        triples = ((_OWNER, mode >> 6), (_GROUP, mode >> 3), (_OTHERS, mode))
        entries = {(tag, _NOBODY_IN_PARTICULAR): rights & 7 for tag, rights in triples}
    mask = entries.get((_MASK, _NOBODY_IN_PARTICULAR), entries[_GROUP, _NOBODY_IN_PARTICULAR])
    entries[_MASK, _NOBODY_IN_PARTICULAR] = mask | 1
    entries[_USER, user_id] = entries.get((_USER, user_id), 0) | 1
    packed = b"".join(struct.pack("<HHI", tag, rights, who) for (tag, who), rights in sorted(entries.items()))
    os.setxattr(folder, _ACL, struct.pack("<I", 2) + packed)
