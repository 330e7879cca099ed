"""The file of a backup: whole or refused, with its keys; and what its commands refuse. Instances: tests/embedded."""

import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError

from oms.backups import archive, keys
from oms.backups.archive import Manifest
from oms.backups.errors import BackupError
from oms.backups.keys import Keys
from oms.management.passphrase import passphrase_of

KEYS = Keys("s", "n", ["new", "old"])


def manifest() -> Manifest:
    return Manifest(
        made_at="2026-11-25T12:00:00+00:00",
        server_version=180004,
        migrations=["orders.0001_initial"],
        orders=1,
        keys="none",
        fingerprints={},
        media="included",
    )


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A small archive."""
    path = tmp_path / "a.backup"
    with archive.create(path) as (writer, manifests):
        with writer.entry(archive.DATABASE, compressed=True) as file:
            file.write(b"dump" * 1000)
        with writer.entry("media/jobs/x/a.csv") as file:
            file.write(b"1,2\n")
        manifests.append(manifest())
    return path


def rewritten(backup: Path, changes: dict[str, bytes | None], **more: bytes) -> Path:
    """A copy with other contents under the manifest that was; None leaves an entry out."""
    target = backup.with_name("changed.backup")
    with zipfile.ZipFile(backup) as source, zipfile.ZipFile(target, "w") as copy:
        for name in source.namelist():
            content = changes.get(name, source.read(name))
            if content is not None:
                copy.writestr(name, content)
        for name, content in more.items():
            copy.writestr(name, content)
    return target


def refusal(path: Path) -> str:
    with pytest.raises(BackupError) as refused, archive.opened(path):
        pass
    return str(refused.value)


def test_a_whole_archive_is_read_as_it_was_written_and_only_by_its_owner(backup: Path, tmp_path: Path) -> None:
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with archive.opened(backup) as read:
        assert read.open(archive.DATABASE).read() == b"dump" * 1000
        assert read.manifest.migrations == ["orders.0001_initial"]
        assert read.extract_media(tmp_path / "media") == 1
    assert (tmp_path / "media" / "jobs" / "x" / "a.csv").read_bytes() == b"1,2\n"


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_an_archive_that_was_cut_short_is_no_backup(backup: Path, kept: float) -> None:
    content = backup.read_bytes()
    backup.write_bytes(content[: int(len(content) * kept) if isinstance(kept, float) else kept])
    assert "is not a whole backup" in refusal(backup)


@pytest.mark.parametrize("place", [200, 2000])
def test_a_flipped_bit_is_seen(backup: Path, place: int) -> None:
    content = bytearray(backup.read_bytes())
    content[place] ^= 1
    backup.write_bytes(content)
    assert refusal(backup)


def test_other_contents_under_the_same_manifest_are_seen(backup: Path) -> None:
    changed = rewritten(backup, {"media/jobs/x/a.csv": b"1,3\n"})
    assert "the checksum of media/jobs/x/a.csv differs" in refusal(changed)
    assert "its entries are not those of its manifest" in refusal(rewritten(backup, {archive.DATABASE: None}))
    assert "its entries are not those of its manifest" in refusal(rewritten(backup, {}, more=b"x"))
    assert "is not a whole backup" in refusal(rewritten(backup, {archive.MANIFEST: None}))
    newer = zipfile.ZipFile(backup).read(archive.MANIFEST).replace(b'"format": 1', b'"format": 2')
    assert "has the format 2" in refusal(rewritten(backup, {archive.MANIFEST: newer}))
    assert "There is no file" in refusal(backup.with_name("none"))


def test_an_entry_that_leads_out_of_its_folder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.backup"
    with archive.create(path) as (writer, manifests):
        with writer.entry("media/../../etc/passwd") as file:
            file.write(b"x")
        manifests.append(manifest())
    assert "leads out of its folder" in refusal(path)


def test_a_backup_that_fails_leaves_no_file_and_none_is_written_over(backup: Path, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), archive.create(tmp_path / "b.backup") as (writer, _manifests):
        writer.entry(str(1 // 0))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.backup"]

    with pytest.raises(BackupError, match="exists already"), archive.create(backup):
        pass


def test_keys_are_opened_by_their_passphrase_only() -> None:
    packed = keys.pack(KEYS, "correct horse")

    assert b"new" not in packed
    assert keys.unpack(packed, "correct horse", is_locked=True) == KEYS
    with pytest.raises(BackupError, match="not the passphrase"):
        keys.unpack(packed, "wrong", is_locked=True)
    with pytest.raises(BackupError, match="give its passphrase"):
        keys.unpack(packed, "", is_locked=True)
    assert keys.unpack(keys.pack(KEYS, ""), "", is_locked=False) == KEYS


def test_installed_keys_take_the_place_of_others_which_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "secrets.env"
    path.write_text("SECRET_KEY=mine\nORDER_NUMBER_KEY=x\n")

    keys.install(KEYS, path)
    assert path.read_text() == "SECRET_KEY=s\nORDER_NUMBER_KEY=n\nOMS_CREDENTIAL_KEYS=new,old\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert (tmp_path / "secrets.env.before-restore-1").read_text() == "SECRET_KEY=mine\nORDER_NUMBER_KEY=x\n"

    # Of a site that seals with its secret key; again, nothing is to be done.
    keys.install(Keys("s", "n", ["s"]), path)
    keys.install(Keys("s", "n", ["s"]), path)
    assert path.read_text() == "SECRET_KEY=s\nORDER_NUMBER_KEY=n\n"
    # Of a developer's machine, whose secret key everybody may know: it opens what is sealed, and signs nothing here.
    keys.install(Keys("", "n", ["known to all"]), path)
    assert path.read_text() == "SECRET_KEY=s\nORDER_NUMBER_KEY=n\nOMS_CREDENTIAL_KEYS=known to all\n"
    assert len(list(tmp_path.glob("*.before-restore-*"))) == 3


def test_keys_that_the_environment_sets_otherwise_are_named(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "secrets.env"
    path.write_text("SECRET_KEY=mine\nORDER_NUMBER_KEY=x\n")
    for name, value in {"SECRET_KEY": "mine", "ORDER_NUMBER_KEY": "given", "OMS_CREDENTIAL_KEYS": "new,old"}.items():
        monkeypatch.setenv(name, value)

    # The first is the file's own, which is replaced; the last is right.
    assert keys.contradicted(KEYS, path) == ["ORDER_NUMBER_KEY"]


def test_a_passphrase_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: Any) -> None:
    file = tmp_path / "passphrase"
    file.write_text(" correct horse \nsecond line\n")
    assert passphrase_of(file) == "correct horse"
    monkeypatch.setenv("OMS_BACKUP_PASSPHRASE", "from outside")
    assert passphrase_of(None) == "from outside"
    file.write_text("\n")
    with pytest.raises(CommandError, match="has no passphrase"):
        passphrase_of(file)
    with pytest.raises(CommandError, match="cannot be read"):
        passphrase_of(tmp_path / "none")
