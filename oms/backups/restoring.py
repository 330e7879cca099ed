"""Making an instance from a backup.

The database is replaced in one transaction, which also stops everything that goes out (`oms.common.outbound`) and
leaves out order numbers that the lost time may have given away. Keys and files follow; until they are in their place a
mark in the data folder keeps everybody else from starting on it.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.db.migrations.loader import MigrationLoader

from oms.backups import archive, keys, making, tools
from oms.backups.archive import Archive, Manifest
from oms.backups.errors import BackupError
from oms.backups.keys import Keys
from oms.common.models import OutboundStop
from oms.embedded import restore_mark
from oms.embedded.errors import EmbeddedError
from oms.embedded.management.commands.up import only_one

# After the backup was made, orders got numbers that buyers, warehouses and providers know, and that are forgotten here.
ORDER_NUMBERS_LEFT_OUT = 10_000_000
# What a database has that was migrated and never used.
_ALWAYS_THERE = {"django_migrations", "django_content_type", "auth_permission", "common_heartbeat"}

# Tables, with what belongs to them, then what belongs to none; not what an extension brought.
_DROP_EVERYTHING = """
DO $drop$
DECLARE found record;
BEGIN
    FOR found IN
        SELECT format('DROP TABLE IF EXISTS %s CASCADE', c.oid::regclass) AS statement FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype = 'e')
        UNION ALL
        SELECT format('DROP %s IF EXISTS %s CASCADE', CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN
                      'MATERIALIZED VIEW' ELSE 'SEQUENCE' END, c.oid::regclass) FROM pg_class c
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('v', 'm', 'S')
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'i', 'a'))
        UNION ALL
        SELECT format('DROP ROUTINE IF EXISTS %s CASCADE', p.oid::regprocedure) FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
        UNION ALL
        SELECT format('DROP TYPE IF EXISTS %s CASCADE', t.oid::regtype) FROM pg_type t
        WHERE t.typnamespace = 'public'::regnamespace AND t.typtype IN ('e', 'd')
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = t.oid AND d.deptype = 'e')
    LOOP
        EXECUTE found.statement;
    END LOOP;
END $drop$;
"""


def restore(path: Path, *, passphrase: str = "", force: bool = False, other_keys: bool = False) -> Manifest:
    """Make this instance what the backup in the file holds; returns what that is.

    Everything is looked at before anything is changed. Raises BackupError where the file is not whole or of a newer
    OMS or PostgreSQL, where its keys would not be those in force (unless `other_keys`), where somebody uses the
    instance, and where it is not empty (unless `force`).
    """
    with ExitStack() as stack:
        backup = stack.enter_context(archive.opened(path))
        _check_versions(backup.manifest)
        own = _keys_of(backup, passphrase)
        if not other_keys:
            _check_keys(backup.manifest, own)
        stack.enter_context(_alone())
        if not force:
            _check_empty()
        _replace(backup, own)
    call_command("migrate", interactive=False, verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return backup.manifest


def _replace(backup: Archive, own: Keys | None) -> None:
    mark = restore_mark(Path(settings.DATA_DIR))
    folder = making.media_folder()
    staged = None
    if folder is not None and backup.manifest.media == "included":
        staged = folder.with_name(f"{folder.name}.restoring")
        shutil.rmtree(staged, ignore_errors=True)
        staged.mkdir(parents=True)
        backup.extract_media(staged)
    was_begun = mark.exists()
    mark.touch()
    try:
        with backup.open(archive.DATABASE) as dumped:
            tools.load(dumped, _DROP_EVERYTHING, _after(backup.manifest))
    except BackupError:
        if not was_begun:  # nothing has changed
            mark.unlink()
        if staged is not None:
            shutil.rmtree(staged)
        raise
    if own is not None and making.keeps_keys_itself():
        keys.install(own, making.keys_file())
    if folder is not None and staged is not None:
        shutil.rmtree(folder, ignore_errors=True)
        staged.rename(folder)
    mark.unlink()


def _after(manifest: Manifest) -> str:
    """What belongs to the restore itself, as SQL for its transaction."""
    stops = f"public.{OutboundStop._meta.db_table}"
    orders = apps.get_model("orders", "Order")._meta.db_table
    sequence = f"pg_get_serial_sequence('public.{orders}', 'id')"
    return f"""
        UPDATE {stops} SET resumed_at = now(), resumed_by = 'restore' WHERE resumed_at IS NULL;
        INSERT INTO {stops} (reason, note, stopped_by)
            VALUES ('{OutboundStop.Reason.RESTORED}', '{manifest.made_at}', 'restore');
        SELECT setval({sequence}, nextval({sequence}) + {ORDER_NUMBERS_LEFT_OUT});
    """


def _check_versions(manifest: Manifest) -> None:
    loader = MigrationLoader(None)
    unknown = sorted(set(manifest.migrations) - {".".join(key) for key in loader.disk_migrations})
    if unknown:
        raise BackupError(
            f"The backup is of a newer OMS: its migrations {', '.join(unknown[:5])} are unknown here. Use that version."
        )
    ours, theirs = tools.server_version() // 10_000, manifest.server_version // 10_000
    if theirs > ours:
        raise BackupError(f"The backup is of PostgreSQL {theirs}; this is PostgreSQL {ours}. Use {theirs} or newer.")


def _keys_of(backup: Archive, passphrase: str) -> Keys | None:
    kind = backup.manifest.keys
    if kind == "none":
        return None
    with backup.open(archive.KEYS) as file:
        return keys.unpack(file.read(), passphrase, is_locked=kind == "passphrase")


def _check_keys(manifest: Manifest, own: Keys | None) -> None:
    """Refuse where what is sealed could not be read afterwards, or order numbers might come twice."""
    hint = "Set them, or say --other-keys: then what they seal cannot be read, and order numbers may come twice."
    if own is not None and making.keeps_keys_itself():
        wrong = keys.contradicted(own, making.keys_file())
        if wrong:
            raise BackupError(f"The environment sets {', '.join(wrong)}, not as in the backup. Unset them. {hint}")
        return
    here = keys.of_settings().fingerprints()
    missing = [name for name, names in manifest.fingerprints.items() if not set(names) <= set(here[name])]
    if missing:
        raise BackupError(
            f"{' and '.join(missing)} of this instance lack keys of the backup ({manifest.fingerprints}). {hint}"
        )


@contextmanager
def _alone() -> Iterator[None]:
    """Nobody else uses the instance, nor can `manage.py up` start on it. Raises BackupError."""
    try:
        with only_one(Path(settings.DATA_DIR)):
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )
                (others,) = cursor.fetchone()
            if others:
                raise BackupError(
                    f"{others} other connections use the database. Stop web, workers, beat, webhook senders and shells"
                    " first."
                )
            yield
    except EmbeddedError as error:
        raise BackupError(str(error)) from error


def _check_empty() -> None:
    with connection.cursor() as cursor:
        tables = [name for name in connection.introspection.table_names(cursor) if name not in _ALWAYS_THERE]
        for table in tables:
            cursor.execute(f'SELECT EXISTS (SELECT FROM "{table}")')
            if cursor.fetchone()[0]:
                raise BackupError(
                    f"This instance is not empty: {table} has rows. Restore into an empty one (a data folder or a"
                    " database of its own), or say --force to lose everything that is here."
                )
