"""The client for Node, by its own tests: the published vectors, a server that fails as told, and a running instance."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from oms.merchants.calls import credentials
from tests import factories

CLIENT = Path(__file__).parents[2] / "clients" / "node"
node = shutil.which("node")

pytestmark = [
    pytest.mark.skipif(node is None, reason="node is not installed"),
    pytest.mark.django_db(transaction=True),
]


def test_the_node_client_signs_repeats_and_talks_to_a_running_instance(live_server):
    shop = factories.make_shop()
    issued = credentials.issue(shop.merchant, "node")
    environment = {
        "PATH": os.environ["PATH"],
        "OMS_URL": live_server.url,
        "OMS_APP_KEY": issued.credential.app_key,
        "OMS_SECRET": issued.secret,
        "OMS_ORDER": json.dumps(shop.body()),
    }
    done = subprocess.run(  # noqa: S603 - our own tests
        [str(node), "--test", "--test-reporter=tap"],
        cwd=CLIENT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "# skipped 0" in done.stdout
    assert "# fail 0" in done.stdout


def test_it_imports_nothing_but_nodes_own_modules():
    for file in CLIENT.glob("*.js"):
        for line in file.read_text().splitlines():
            if line.startswith(("import ", "export {")) and " from " in line:
                module = line.rpartition(" from ")[2].strip(' ";')
                assert module.startswith(("node:", "./")), (file.name, line)
