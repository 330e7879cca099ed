"""A backup of an instance that runs, and an instance made of it: real servers, real programs."""

import json
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from oms.backups import archive
from oms.embedded import addresses
from oms.management.commands.check_invariants import ALL
from tests.embedded.conftest import USER, Folder, Program, made_folder, runner

Run = Callable[..., Program]

SET_UP = """
import json, os, sys
from oms.embedded import attach
attach()
os.environ["DJANGO_SETTINGS_MODULE"] = "oms.settings"
import django; django.setup()
import threading
from io import StringIO
from django.db import connection
from django.core.management import call_command
from oms.common import resealing, secrecy
from oms.common.work import nudging
from oms.merchants.models import CredentialSecret
from orders.models import Order
nudging.disable()
"""
# An instance with orders on their way, sealed things and a file, and a process that goes on taking orders.
LIVING = f"""
{SET_UP}
call_command("migrate", verbosity=0)
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from oms.merchants.calls import credentials
from oms.merchants.models import WebhookEndpoint
from logistics.carriers.defaults import install_default_carriers
from tests import factories
install_default_carriers()
shop = factories.make_shop()
for payment in ["cod", "prepaid"] * 5:
    shop.place_order(payment_method=payment)
call_command("drain")
secret = secrecy.seal("whsec_c2VjcmV0")
WebhookEndpoint.objects.create(
    merchant=shop.merchant, url="https://127.0.0.1/", event_types=["order.*"], secret=secret
)
for _ in range(5):
    shop.place_order()
issued = credentials.issue(shop.merchant, "erp")
default_storage.save("jobs/abc/export.csv", ContentFile(b"kept"))
print("secret", issued.secret, flush=True)
enough = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), enough.set()), daemon=True).start()
placed = 0
while not enough.is_set() and placed < 5000:
    shop.place_order(payment_method="cod")
    placed += 1
    if placed == 1:
        print("going on", flush=True)
print("placed", Order.objects.count(), flush=True)
connection.close()
threading.Event().wait()
"""
# What the instance tells of itself, before and after what goes out is resumed.
LOOK = f"""
{SET_UP}
def run(*arguments):
    output = StringIO()
    try:
        call_command(*arguments, stdout=output)
    except SystemExit as end:
        return f"exit {{end.code}}: {{output.getvalue()}}"
    return output.getvalue()

from logistics.models import Shipment
from oms.merchants.models import WebhookAttempt, WebhookDelivery
from orders.models import SubOrder
from payments.models import Payment

def out():
    return {{
        "payments": Payment.objects.exclude(state="intended").count(),
        "released": SubOrder.objects.exclude(released_at=None).count(),
        "parcels": Shipment.objects.count(),
        "attempts": WebhookAttempt.objects.count(),
    }}

found = {{
    "orders": Order.objects.count(),
    "invariants": run("check_invariants"),
    "keys": sorted({{str(place) for field in secrecy.fields() for place in resealing.look(field).by_key}}),
    "secret": secrecy.unseal(CredentialSecret.objects.get(credential__name="erp").encrypted),
    "before": out(),
    "drained": run("drain"),
    "stopped": out(),
    "intended": Payment.objects.filter(state="intended").count(),
    "untold": WebhookDelivery.objects.filter(state="pending", attempts=0).count(),
    "outbound": run("outbound"),
    "resumed": run("outbound", "resume"),
    "drained_again": run("drain"),
    "went_out": out(),
    "invariants_after": run("check_invariants"),
}}
print("found", json.dumps(found), flush=True)
"""


@dataclass
class Instance:
    """An instance, and how programs are run on it. A program that is kept keeps its server running."""

    folder: Folder
    run: Run

    def value(self, sql: str) -> Any:
        """The first value of the answer, asked past the OMS."""
        with psycopg.connect(addresses.database_url(self.folder.path), autocommit=True) as connection:
            cursor = connection.execute(sql)
            row = cursor.fetchone() if cursor.description else None
            return row[0] if row else None

    def manage(self, *arguments: str, **environment: str) -> tuple[int, str]:
        """Run a command; its status and all that it printed."""
        return self.run("manage.py", *arguments, **environment).finish()

    def file(self, name: str) -> Path:
        """A file of the data folder."""
        return self.folder.path / name


@dataclass
class Original(Instance):
    """The instance that was backed up."""

    secret: str
    output: str
    orders: int

    @property
    def backup(self) -> Path:
        """Its backup."""
        return self.file("now.backup")


@pytest.fixture(scope="module")
def original() -> Iterator[Original]:
    """An instance whose backup was made while orders came in; it goes on running."""
    with made_folder() as folder, runner(folder) as run:
        living = run("-c", LIVING)
        secret = living.wait_for("secret").split()[1]
        living.wait_for("going on")
        original = Original(folder, run, secret, "", 0)
        status, original.output = original.manage("backup", str(original.backup))
        assert status == 0, original.output
        assert living.process.stdin
        living.process.stdin.write("\n")
        living.process.stdin.flush()
        original.orders = int(living.wait_for("placed").split()[1])
        yield original


@pytest.fixture(scope="module")
def copy(original: Original) -> Iterator[Instance]:
    """Another instance, made of the backup."""
    with made_folder() as folder, runner(folder) as run:
        user = run("-c", USER % "")
        user.wait_for("attached")
        copy = Instance(folder, run)
        status, output = copy.manage("restore", str(original.backup))
        assert status == 0, output
        assert "Nothing goes out" in output
        yield copy
        user.finish()


def test_a_backup_of_a_running_instance_becomes_another_one_of_which_nothing_goes_out(
    original: Original, copy: Instance
) -> None:
    assert stat.S_IMODE(original.backup.stat().st_mode) == 0o600
    assert "the keys are in this backup and NOT encrypted" in original.output
    assert copy.file("secrets.env").read_text() == original.file("secrets.env").read_text()
    assert copy.file("media/jobs/abc/export.csv").read_bytes() == b"kept"
    # Numbers that the original gave away since do not come again.
    numbers = [instance.value("SELECT last_value FROM orders_order_id_seq") for instance in (original, copy)]
    assert numbers[1] > numbers[0] + 9_000_000

    found = json.loads(copy.run("-c", LOOK).wait_for("found").partition(" ")[2])

    with archive.opened(original.backup) as backup:
        assert found["orders"] == backup.manifest.orders
    assert 15 < found["orders"] < original.orders
    assert found["invariants"] == found["invariants_after"] == f"{len(ALL) + 1} invariants hold\n"
    assert (found["keys"], found["secret"]) == (["0"], original.secret)
    assert found["stopped"] == found["before"]
    assert "What goes out is stopped" in found["drained"]
    assert (found["intended"], found["untold"] > 0) == (5, True)
    assert "restored" in found["outbound"]
    assert found["resumed"] == "Everything goes out.\n"
    assert [name for name, number in found["before"].items() if found["went_out"][name] <= number] == []


def test_an_instance_that_holds_something_is_overwritten_only_if_forced(original: Original, copy: Instance) -> None:
    copy.file("secrets.env").write_text("SECRET_KEY=other\nORDER_NUMBER_KEY=other\n")
    status, output = copy.manage("restore", str(original.backup))
    assert (status, "This instance is not empty" in output) == (1, True)
    assert copy.file("secrets.env").read_text().startswith("SECRET_KEY=other")

    # Made of a restored instance, a backup is as good as the first.
    assert copy.manage("restore", str(original.backup), "--force")[0] == 0
    assert [path.read_text()[:16] for path in copy.folder.path.glob("secrets.env.before-*")][-1] == "SECRET_KEY=other"
    again = copy.file("again.backup")
    assert copy.manage("backup", str(again))[0] == 0
    assert copy.manage("restore", str(again), "--force")[0] == 0
    assert copy.value("SELECT count(*) FROM common_outboundstop") == 2
    assert copy.value("SELECT count(*) FROM common_outboundstop WHERE resumed_at IS NULL") == 1


def test_a_restore_that_is_refused_or_fails_changes_nothing(original: Original, copy: Instance) -> None:
    copy.value("CREATE TABLE witness AS SELECT 1 AS n")
    with psycopg.connect(addresses.database_url(copy.folder.path)):
        status, output = copy.manage("restore", str(original.backup), "--force")
    assert (status, "1 other connections use the database" in output) == (1, True)

    # A dump that ends in the middle, under a checksum that is right.
    cut = copy.file("cut.backup")
    with archive.opened(original.backup) as backup, archive.create(cut) as (writer, manifests):
        for name in backup.manifest.entries:
            content = backup.open(name).read()
            with writer.entry(name) as entry:
                entry.write(content[: len(content) * 2 // 3] if name == archive.DATABASE else content)
        manifests.append(backup.manifest)
    status, output = copy.manage("restore", str(cut), "--force")
    assert (status, "pg_restore failed" in output) == (1, True)
    assert copy.value("SELECT n FROM witness") == 1
    assert not copy.file("restore.unfinished").exists()
    assert not copy.file("media.restoring").exists()


def test_nobody_starts_on_a_restore_that_was_killed_half_way_and_it_can_be_repeated(
    original: Original, copy: Instance
) -> None:
    """Killed when the database was there, and keys and files were not."""
    script = f"""
import os, signal, sys
sys.argv = ["manage.py", "restore", {str(original.backup)!r}, "--force"]
from oms.embedded import attach_for_command
attach_for_command(sys.argv)
os.environ["DJANGO_SETTINGS_MODULE"] = "oms.settings"
from oms.backups import keys
keys.install = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
from django.core.management import execute_from_command_line
execute_from_command_line(sys.argv)
"""
    copy.value("CREATE TABLE IF NOT EXISTS witness AS SELECT 1 AS n")
    assert copy.run("-c", script).finish()[0] == -9
    assert copy.value("SELECT to_regclass('witness')") is None
    assert copy.value("SELECT count(*) FROM common_outboundstop WHERE resumed_at IS NULL") == 1
    for command in ("migrate", "up"):
        status, output = copy.manage(command)
        assert (status, "did not come to its end. Repeat it" in output) == (1, True)

    assert copy.manage("restore", str(original.backup), "--force")[0] == 0
    assert copy.manage("check_invariants")[0] == 0


def test_keys_of_the_environment_stay_with_it_and_must_be_those_of_the_backup(
    original: Original, copy: Instance
) -> None:
    """Two instances on servers that a DATABASE_URL names; here they are the embedded ones, seen from outside."""
    keys = {"SECRET_KEY": "a", "ORDER_NUMBER_KEY": "b", "OMS_CREDENTIAL_KEYS": "c,d", "ALLOWED_HOSTS": "x"}
    file = copy.file("environment.backup")
    source, target = (addresses.database_url(instance.folder.path) for instance in (original, copy))
    status, output = original.manage("backup", str(file), DATABASE_URL=source, **keys)
    assert (status, "the keys are NOT in this backup" in output) == (0, True)

    others = {**keys, "ORDER_NUMBER_KEY": "other", "OMS_CREDENTIAL_KEYS": "c"}
    status, output = copy.manage("restore", str(file), "--force", DATABASE_URL=target, **others)
    assert status == 1
    assert "ORDER_NUMBER_KEY and OMS_CREDENTIAL_KEYS of this instance lack keys of the backup" in output

    before = copy.file("secrets.env").read_text()
    more = {**keys, "OMS_CREDENTIAL_KEYS": "new,d,c"}
    status, output = copy.manage("restore", str(file), "--force", DATABASE_URL=target, **more)
    assert status == 0, output
    assert copy.value("SELECT count(*) FROM orders_order") == original.orders
    assert copy.value("SELECT count(*) FROM common_outboundstop WHERE resumed_at IS NULL") == 1
    assert copy.file("secrets.env").read_text() == before
