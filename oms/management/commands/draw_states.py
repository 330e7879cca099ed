"""`manage.py draw_states`."""

import re
import sys
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import translation

from oms.common.states import edges, state_fields

SHOWN = ("Order", "SubOrder", "Shipment", "Payment", "Refund", "MerchantApplication")
_BEGIN, _END = "<!-- states: drawn by `manage.py draw_states --write` -->", "<!-- end of states -->"


class Command(BaseCommand):
    """Draws the state graphs from the transitions that the models declare, as Mermaid diagrams for README.md."""

    help = "Draw the state graphs from the code; --write puts them into README.md, --check fails if they differ."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--write", action="store_true", help="Put the graphs into README.md.")
        parser.add_argument("--check", action="store_true", help="Exit 1 if README.md shows other graphs.")

    def handle(self, *, write: bool, check: bool, **_: object) -> None:
        graphs = draw()
        readme = settings.BASE_DIR / "README.md"
        if not (write or check):
            self.stdout.write(graphs)
            return
        text = readme.read_text(encoding="utf-8")
        wanted = re.sub(
            f"{re.escape(_BEGIN)}.*{re.escape(_END)}", lambda _: f"{_BEGIN}\n{graphs}{_END}", text, flags=re.DOTALL
        )
        if write:
            readme.write_text(wanted, encoding="utf-8")
        elif wanted != text:
            self.stderr.write("README.md shows other state graphs than the code: run `manage.py draw_states --write`.")
            sys.exit(1)


def draw() -> str:
    """The graphs of the main models, one Mermaid diagram each."""
    parts = []
    with translation.override("en"):
        for model, field in state_fields():
            if model.__name__ in SHOWN:
                moves = "".join(f"    {source} --> {target}\n" for source, target in edges(model, field))
                start = f"    [*] --> {field.default}\n"
                parts.append(f"**{model.__name__}**\n\n```mermaid\nstateDiagram-v2\n{start}{moves}```\n\n")
    return "".join(parts)
