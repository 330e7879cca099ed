"""The keys of an instance: without them a copy of its database shows nothing of what is sealed.

They go with the backup of an instance that keeps them in its data folder; those of the environment belong to whoever
keeps the environment, and go with it only where that is asked for.
"""

import base64
import os
import secrets
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from django.conf import settings

from oms.backups.errors import BackupError
from oms.common.secrecy import fingerprint

# 2^15 · 8 · 128 bytes: guessing one passphrase takes 32 MB and a tenth of a second.
_SCRYPT = {"length": 32, "n": 2**15, "r": 8, "p": 1}
_NAMES = ("SECRET_KEY", "ORDER_NUMBER_KEY", "OMS_CREDENTIAL_KEYS")


class Keys(msgspec.Struct, frozen=True):
    """What signs sessions (empty: not to be taken over), what order numbers come from, and what seals."""

    secret: str
    order_number: str
    sealing: list[str]

    def fingerprints(self) -> dict[str, list[str]]:
        """Names of the keys that matter to the data, which tell nothing of them."""
        return {
            "ORDER_NUMBER_KEY": [fingerprint(self.order_number)],
            "OMS_CREDENTIAL_KEYS": [fingerprint(key) for key in self.sealing],
        }


class _Locked(msgspec.Struct, frozen=True):
    salt: str
    box: str


def of_settings() -> Keys:
    """Those that this process runs with. The secret key of a developer's machine may be known to everybody."""
    secret = "" if settings.DEBUG else settings.SECRET_KEY
    return Keys(secret, settings.ORDER_NUMBER_KEY, list(settings.CREDENTIAL_KEYS))


def pack(keys: Keys, passphrase: str) -> bytes:
    """The keys for an archive, encrypted if there is a passphrase."""
    content = msgspec.json.encode(keys)
    if not passphrase:
        return content
    salt = secrets.token_bytes(16)
    box = _box(passphrase, salt).encrypt(content)
    return msgspec.json.encode(_Locked(base64.b64encode(salt).decode(), box.decode()))


def unpack(content: bytes, passphrase: str, *, is_locked: bool) -> Keys:
    """The keys of an archive. Raises BackupError where it takes another passphrase."""
    if is_locked:
        if not passphrase:
            raise BackupError("The keys in this backup are encrypted: give its passphrase, see --help.")
        locked = msgspec.json.decode(content, type=_Locked)
        try:
            content = _box(passphrase, base64.b64decode(locked.salt)).decrypt(locked.box.encode())
        except InvalidToken as error:
            raise BackupError("This is not the passphrase of the keys in this backup.") from error
    return msgspec.json.decode(content, type=Keys)


def install(keys: Keys, path: Path) -> None:
    """Write the keys to the data folder's file; one that is there is kept beside it."""
    before = _read(path)
    lines = {**before, "ORDER_NUMBER_KEY": keys.order_number}
    if keys.secret:
        lines["SECRET_KEY"] = keys.secret
    lines.pop("OMS_CREDENTIAL_KEYS", None)
    if keys.sealing != [lines.get("SECRET_KEY")]:
        lines["OMS_CREDENTIAL_KEYS"] = ",".join(keys.sealing)
    if lines == before:
        return
    unfinished = path.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"{name}={value}\n" for name, value in lines.items())
        file.flush()
        os.fsync(file.fileno())
    if path.exists():
        path.rename(_free_name(path))
    unfinished.rename(path)


def contradicted(keys: Keys, path: Path) -> list[str]:
    """The names of keys that the environment sets otherwise: set there, they count more than the data folder's file."""
    wanted = {"ORDER_NUMBER_KEY": keys.order_number, "OMS_CREDENTIAL_KEYS": ",".join(keys.sealing)}
    if keys.secret:
        wanted["SECRET_KEY"] = keys.secret
    kept = _read(path)
    given = {name: os.environ[name] for name in _NAMES if os.environ.get(name) and os.environ[name] != kept.get(name)}
    return [name for name, value in given.items() if name in wanted and value != wanted[name]]


def _read(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)


def _free_name(path: Path) -> Path:
    names = (path.with_name(f"{path.name}.before-restore-{number}") for number in range(1, 10_000))
    return next(name for name in names if not name.exists())


def _box(passphrase: str, salt: bytes) -> Fernet:
    return Fernet(base64.urlsafe_b64encode(Scrypt(salt=salt, **_SCRYPT).derive(passphrase.encode())))
