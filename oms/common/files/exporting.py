"""Lists of the admin as files, written in the background.

The worker asks the list itself for its rows, as the owner and with the filters that were set, so that nobody gets more
out of an export than out of the list.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.core.files import File
from django.db.models import Model, QuerySet
from django.http import HttpRequest, QueryDict
from django.test import RequestFactory
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.errors import OmsError
from oms.common.files import tables
from oms.common.models import Job
from oms.common.work import jobs

BATCH = 2_000
FORMS = ("xlsx", "csv")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an export: where it comes from (a path of `values_list`), labels of its values, and for personal
    data the mask that those without the right to it get."""

    title: Any
    path: str
    labels: Mapping[str, Any] | None = None
    mask: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """What can be exported of a list, and who may."""

    model: type[Model]
    columns: Sequence[Column]
    permission: str
    personal_permission: str

    @property
    def key(self) -> str:
        """Its name in a job."""
        return self.model._meta.label_lower

    @property
    def has_personal_data(self) -> bool:
        """Whether a column holds personal data."""
        return any(column.mask for column in self.columns)


EXPORTS: dict[str, Export] = {}


def register(export: Export) -> Export:
    """Offer the export."""
    EXPORTS[export.key] = export
    return export


def request_export(export: Export, owner: Any, *, query: str, form: str, personal: bool) -> Job:
    """Queue an export of the list with the filters of `query`. Raises PermissionDenied."""
    if not owner.has_perm(export.permission) or (personal and not owner.has_perm(export.personal_permission)):
        raise PermissionDenied
    return jobs.create(
        KIND,
        owner,
        params={"export": export.key, "query": query, "form": form if form in FORMS else "xlsx", "personal": personal},
        file_name=str(export.model._meta.verbose_name_plural),
    )


def rows_of(export: Export, owner: Any, query: str) -> QuerySet[Any]:
    """The rows that the owner's list has with these filters. Raises OmsError, PermissionDenied."""
    model_admin = admin.site.get_model_admin(export.model)
    request: HttpRequest = RequestFactory().get("/", QueryDict(query))
    request.GET = QueryDict(query)  # type: ignore[assignment]
    request.user = owner
    if not owner.is_active or not model_admin.has_view_permission(request):
        raise PermissionDenied
    try:
        return model_admin.get_changelist_instance(request).queryset
    except IncorrectLookupParameters as error:
        raise OmsError(_("The list has no such filter any more.")) from error


def may_read(user: Any, job: Job) -> bool:
    """Whether the user has the rights that the file needs, also now."""
    export = EXPORTS.get(job.params.get("export", ""))
    if export is None or not user.has_perm(export.permission):
        return False
    return not job.params["personal"] or user.has_perm(export.personal_permission)


def work(turn: jobs.Turn) -> bool:
    """Write the file from the first row to the last. A killed worker leaves nothing, and another begins anew."""
    job = turn.job
    export = EXPORTS[job.params["export"]]
    if not may_read(job.owner, job):
        raise OmsError(_("You no longer have the right to this export."))
    rows = rows_of(export, job.owner, job.params["query"]).order_by("-pk")
    most = settings.EXPORT_MAX_ROWS
    total = rows.order_by()[: most + 1].count()
    if total > most:
        raise OmsError(_("More than %(most)d rows: narrow the list by its filters.") % {"most": most})
    job.progress, job.done, job.failed, job.total = {}, 0, 0, total
    form = job.params["form"]
    with tempfile.TemporaryFile() as file:
        writer = tables.writer(form, file, [str(column.title) for column in export.columns])
        shown = [_shown(column, personal=job.params["personal"]) for column in export.columns]
        for batch in _batches(rows, [column.path for column in export.columns]):
            for row in batch:
                writer.write([show(value) for show, value in zip(shown, row, strict=True)])
            with turn.step(is_lasting=False):
                job.done = min(job.done + len(batch), total)
        writer.close()
        file.seek(0)
        name = export.model._meta.model_name
        jobs.save_result(turn, f"{name}-{timezone.localtime():%Y%m%d-%H%M}.{form}", File(file))
    return True


def _batches(rows: QuerySet[Any], paths: list[str]) -> Iterator[list[tuple[Any, ...]]]:
    """The rows' values, newest first, so many at a time by key; each is one short statement."""
    last: int | None = None
    while True:
        page = rows if last is None else rows.filter(pk__lt=last)
        batch = list(page.values_list("pk", *paths)[:BATCH])
        if not batch:
            return
        last = batch[-1][0]
        yield [row[1:] for row in batch]


def _shown(column: Column, *, personal: bool) -> Callable[[Any], Any]:
    if column.mask and not personal:
        mask = column.mask
        return lambda value: mask(value or "")
    if column.labels is not None:
        labels = {key: str(label) for key, label in column.labels.items()}
        return lambda value: labels.get(value, value)
    return _plain


def _plain(value: Any) -> Any:
    return f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else value


KIND = jobs.register(jobs.JobKind("export", gettext_lazy("Export"), "", work, may_read))
