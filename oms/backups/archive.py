"""The file of a backup: a ZIP archive whose last entry, the manifest, names all others with their checksums.

A file under its own name is whole: it is written under another, and renamed when all of it is on the disk. One that was
cut short on its way has no manifest; one that was altered has other checksums. Only its owner may read it.
"""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

import msgspec

from oms.backups.errors import BackupError

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "database.dump"
KEYS = "keys.json"
MEDIA = "media"
CHUNK_BYTES = 1024 * 1024


class Checksum(msgspec.Struct, frozen=True):
    """The size and SHA-256 of an entry, before it was compressed."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What the backup is of: `migrations` named `app.name`, `server_version` as PostgreSQL counts, like 180004."""

    format: int = FORMAT
    made_at: str
    server_version: int
    migrations: list[str]
    orders: int
    keys: str  # "clear", "passphrase" or "none"
    fingerprints: dict[str, list[str]]
    media: str  # "included" or "elsewhere"
    entries: dict[str, Checksum] = {}


@dataclass
class Writer:
    """An archive that is being written."""

    _zip: zipfile.ZipFile
    checksums: dict[str, Checksum] = field(default_factory=dict)

    @contextmanager
    def entry(self, name: str, *, compressed: bool = False) -> Iterator[IO[bytes]]:
        """A file to write the entry to; `compressed` says that it is small already."""
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_STORED if compressed else zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        with self._zip.open(info, "w", force_zip64=True) as file:
            counted = _Counted(file)
            yield counted  # type: ignore[misc]
        self.checksums[name] = Checksum(counted.size, counted.digest.hexdigest())


class _Counted:
    """A file that is only written to, and remembers what."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size = 0
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> int:
        """See IO."""
        self.size += len(content)
        self.digest.update(content)
        return self._file.write(content)


@contextmanager
def create(path: Path) -> Iterator[tuple[Writer, list[Manifest]]]:
    """Write an archive: entries by the writer, then its manifest into the list. It is there at the end or not at all.

    Raises BackupError where the file exists already.
    """
    if path.exists():
        raise BackupError(f"{path} exists already. Choose another name; backups are not written over.")
    unfinished = path.with_name(f"{path.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    try:
        with open(os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "r+b") as file:
            with zipfile.ZipFile(file, "w") as archive:
                writer, manifests = Writer(archive), list[Manifest]()
                yield writer, manifests
                manifest = msgspec.structs.replace(manifests[0], entries=writer.checksums)
                archive.writestr(MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(path)
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)
    finally:
        unfinished.unlink(missing_ok=True)


@dataclass(frozen=True)
class Archive:
    """A whole archive: its checksums were compared when it was opened."""

    manifest: Manifest
    _zip: zipfile.ZipFile

    def open(self, name: str) -> IO[bytes]:
        """An entry, to be read."""
        return self._zip.open(name)

    def extract_media(self, folder: Path) -> int:
        """Write the uploaded and exported files below the folder; returns how many."""
        names = [name for name in self.manifest.entries if name.startswith(f"{MEDIA}/")]
        for name in names:
            target = folder.joinpath(*PurePosixPath(name).parts[1:])
            target.parent.mkdir(parents=True, exist_ok=True)
            with self.open(name) as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy, CHUNK_BYTES)
        return len(names)


@contextmanager
def opened(path: Path) -> Iterator[Archive]:
    """Read an archive. Raises BackupError unless all that it holds is as it was written."""
    try:
        with zipfile.ZipFile(path) as archive:
            manifest = msgspec.json.decode(archive.read(MANIFEST), type=Manifest)
            _compare(path, archive, manifest)
            yield Archive(manifest, archive)
    except FileNotFoundError as error:
        raise BackupError(f"There is no file {path}.") from error
    except (zipfile.BadZipFile, KeyError, msgspec.MsgspecError, EOFError) as error:
        raise BackupError(f"{path} is not a whole backup, or none at all: {error}") from error


def _compare(path: Path, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    if manifest.format != FORMAT:
        raise BackupError(
            f"{path} has the format {manifest.format}, this OMS reads {FORMAT}: use the one that wrote it."
        )
    names = {name for name in archive.namelist() if name != MANIFEST}
    if names != set(manifest.entries):
        raise BackupError(f"{path} is damaged: its entries are not those of its manifest.")
    for name, checksum in manifest.entries.items():
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise BackupError(f"{path} has an entry that leads out of its folder: {name}")
        digest, size = hashlib.sha256(), 0
        with archive.open(name) as file:
            while content := file.read(CHUNK_BYTES):
                digest.update(content)
                size += len(content)
        if (size, digest.hexdigest()) != (checksum.bytes, checksum.sha256):
            raise BackupError(f"{path} is damaged: the checksum of {name} differs.")
