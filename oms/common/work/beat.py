"""The scheduler of Celery beat: the schedule of the settings, as people changed it on the page of scheduled tasks."""

import logging
import time
from typing import Any

from celery.beat import PersistentScheduler, ScheduleEntry
from celery.schedules import schedule as interval
from django.db import Error, connection

from oms.common.work import schedule

logger = logging.getLogger(__name__)
READ_EVERY_SECONDS = 5.0


class RowScheduler(PersistentScheduler):
    """Starts what is due and switched on. Where the database does not answer, what was read last counts: the pipeline
    must not stand still because beat cannot look."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._off: set[str] = set()
        self._read_at = 0.0
        super().__init__(*args, **kwargs)

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Read what was changed, now and then; start what is due. Returns after how many seconds to come again."""
        if time.monotonic() >= self._read_at:
            self._read_at = time.monotonic() + READ_EVERY_SECONDS
            self._read()
        return min(super().tick(*args, **kwargs), READ_EVERY_SECONDS)

    def apply_entry(self, entry: ScheduleEntry, producer: Any = None) -> None:
        """Leave out what is switched off; its turn passes."""
        if entry.name not in self._off:
            super().apply_entry(entry, producer=producer)

    def _read(self) -> None:
        try:
            changes = schedule.read_changes()
        except Error as error:
            logger.warning("the schedule was not read anew: %s", error)
            connection.close_if_unusable_or_obsolete()
            return
        self._off = {name for name, (is_on, _every) in changes.items() if not is_on}
        for name, entry in list(self.schedule.items()):
            usual = schedule.usual_seconds(name)
            if usual is None:
                continue
            every = float(changes.get(name, (True, None))[1] or usual)
            if entry.schedule.run_every.total_seconds() != every:
                # A new entry: a changed one would look to the scheduler like the one that it has planned.
                self.schedule[name] = self.Entry(**{**dict(entry), "schedule": interval(every, app=self.app)})
