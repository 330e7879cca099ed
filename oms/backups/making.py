"""Making a backup while the site runs.

The database comes from pg_dump, as one snapshot has it: whole, of one moment, and readable by later versions of
PostgreSQL. The uploaded and exported files come after it, so that every file that the snapshot knows is there.
"""

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.files.storage import FileSystemStorage, storages
from django.db import connection, transaction
from django.db.migrations.recorder import MigrationRecorder

from oms.backups import archive, keys, tools
from oms.backups.archive import CHUNK_BYTES, Manifest, Writer


def make(path: Path, *, with_keys: bool, passphrase: str = "") -> Manifest:
    """Write a backup to the file; the keys are encrypted if there is a passphrase. Returns what is in it.

    Raises BackupError, and then no such file is there.
    """
    own = keys.of_settings()
    with archive.create(path) as (writer, manifests):
        with transaction.atomic(), connection.cursor() as cursor:
            # Everything below, and pg_dump with it, sees the database of this moment.
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            cursor.execute("SELECT pg_export_snapshot()")
            (snapshot,) = cursor.fetchone()
            migrations = sorted(".".join(key) for key in MigrationRecorder(connection).applied_migrations())
            orders = apps.get_model("orders", "Order")._default_manager.count()
            with writer.entry(archive.DATABASE, compressed=True) as file:
                tools.dump(file, snapshot)
        if with_keys:
            with writer.entry(archive.KEYS) as file:
                file.write(keys.pack(own, passphrase))
        folder = media_folder()
        if folder is not None:
            _add_media(writer, folder)
        manifests.append(
            Manifest(
                made_at=datetime.now(UTC).isoformat(timespec="seconds"),
                server_version=tools.server_version(),
                migrations=migrations,
                orders=orders,
                keys="none" if not with_keys else "passphrase" if passphrase else "clear",
                fingerprints=own.fingerprints(),
                media="elsewhere" if folder is None else "included",
            )
        )
    return manifests[0]


def media_folder() -> Path | None:
    """Where uploaded and exported files lie; None where that is no folder of this machine."""
    storage = storages["default"]
    return Path(storage.location) if isinstance(storage, FileSystemStorage) else None


def _add_media(writer: Writer, folder: Path) -> None:
    for top, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(top) / name
            try:
                source = path.open("rb")
            except FileNotFoundError:
                continue  # deleted meanwhile, as too old
            with source, writer.entry(f"{archive.MEDIA}/{path.relative_to(folder).as_posix()}") as copy:
                shutil.copyfileobj(source, copy, CHUNK_BYTES)


def keeps_keys_itself() -> bool:
    """Whether the instance's keys lie in its data folder, because its servers are the embedded ones."""
    return not os.environ.get("DATABASE_URL")


def keys_file() -> Path:
    """Where such an instance keeps them."""
    return Path(settings.DATA_DIR) / "secrets.env"
