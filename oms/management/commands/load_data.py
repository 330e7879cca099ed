"""`manage.py load_data DIR`."""

from argparse import ArgumentParser
from collections.abc import Iterable
from pathlib import Path

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from inventory.loading import MissingFile, load_folder
from logistics.carriers.defaults import install_carrier_codes, install_default_carriers
from logistics.carriers.words import install_shipped_words
from logistics.floor.defaults import install_default_wave_rules
from logistics.warehouses.defaults import connect_warehouses
from logistics.watching.defaults import install_default_deadlines
from oms.common.messages import writing
from orders.changing import reasons
from orders.fulfilling.waking import wake_all
from orders.matching import loading as channels
from orders.returning import defaults as returns
from orders.reviewing.shipped import install_default_rules
from payments.granting import limits
from payments.providers.defaults import install_default_connections


class Command(BaseCommand):
    """Loads merchants, regions, warehouses, catalogue and opening stock from CSV files, and channels with what their
    codes of goods stand for."""

    help = (
        "Load merchants*.csv, regions*.csv, warehouses*.csv, catalogue*.csv and stock*.csv (or .csv.gz)"
        " of a folder, and channels.csv and matches.csv where they are there."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path)

    def handle(self, *, folder: Path, verbosity: int, **_: object) -> None:
        def progress(rows: Iterable[dict[str, str]], name: str) -> Iterable[dict[str, str]]:
            return tqdm(rows, desc=name, unit=" rows", disable=None if verbosity else True)

        if not folder.is_dir():
            raise CommandError(f"{folder} is not a folder.")
        try:
            results = [*load_folder(folder, progress=progress), *channels.load_folder(folder)]
        except MissingFile as error:
            raise CommandError(str(error)) from error
        install_default_rules()
        wake_all()
        install_default_carriers()
        install_carrier_codes()
        install_shipped_words()
        install_default_deadlines()
        install_default_wave_rules()
        connect_warehouses()
        install_default_connections()
        limits.install_defaults()
        reasons.install_defaults()
        returns.install_defaults()
        writing.install_defaults()
        for result in results:
            self.stdout.write(f"{result.file}: {result.rows} rows")
            for problem in result.problems[:20]:
                self.stderr.write(problem)
            if len(result.problems) > 20:
                self.stderr.write(f"{result.file}: {len(result.problems) - 20} more problems")
