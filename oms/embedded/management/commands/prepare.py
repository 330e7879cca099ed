"""`manage.py prepare`: what has to be up to date before the site is served."""

import hashlib
from pathlib import Path

import polib
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Quick where nothing has changed."""

    help = (
        "Migrate the database, install the shipped roles, compile the translations and collect the static files, as far"
        " as needed."
    )
    requires_system_checks = []

    def handle(self, *args, **options) -> None:
        """Run the steps."""
        compile_translations()
        call_command("migrate", interactive=False, verbosity=0)  # always: it keeps triggers in step with the code too
        install_roles()
        collect_static_files()


def install_roles() -> None:
    """Make the roles that the program comes with, and bring what it changed of them."""
    # They need the models, which are not there yet while the command is only looked up.
    from oms.common.access import roles
    from oms.shipped_roles import SHIPPED
    from payments.granting import limits

    roles.install(SHIPPED)
    limits.install_defaults()


def compile_translations() -> None:
    """Compile each `.po` file that is newer than its `.mo` file, without GNU gettext."""
    for folder in settings.LOCALE_PATHS:
        for source in Path(folder).glob("*/LC_MESSAGES/*.po"):
            target = source.with_suffix(".mo")
            if not target.exists() or target.stat().st_mtime < source.stat().st_mtime:
                unfinished = target.with_suffix(".unfinished")
                polib.pofile(str(source)).save_as_mofile(str(unfinished))
                unfinished.rename(target)


def collect_static_files() -> None:
    """Collect the static files if one of them has changed. With DEBUG on they are served from where they are."""
    if settings.DEBUG:
        return
    stamp = settings.DATA_DIR / "static.stamp"
    fingerprint = _static_fingerprint()
    if stamp.exists() and stamp.read_text() == fingerprint and Path(settings.STATIC_ROOT).exists():
        return
    call_command("collectstatic", interactive=False, verbosity=0)
    stamp.write_text(fingerprint)


def _static_fingerprint() -> str:
    digest = hashlib.sha256(f"{settings.STATIC_ROOT} {settings.STORAGES['staticfiles']}".encode())
    for finder in get_finders():
        for path, storage in finder.list([]):
            status = Path(storage.path(path)).stat()
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
