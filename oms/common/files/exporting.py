"""Lists of the admin as files, written in the background.

The worker asks the list itself for its rows, as the owner and with the filters that were set, so that nobody gets more
out of an export than out of the list.
"""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.core.exceptions import PermissionDenied
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db.models import Model, QuerySet
from django.http import HttpRequest, QueryDict
from django.test import RequestFactory
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from oms.common.access import volume
from oms.common.errors import OmsError
from oms.common.files import tables
from oms.common.models import Job
from oms.common.work import jobs
from oms.common.zones import CHINA

BATCH = 2_000
FORMS = ("xlsx", "csv")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an export: where it comes from (a path of `values_list`, or under that name an `expression`), labels
    of its values, and for personal data the mask that those without the right to it get. Of several values (a list)
    each is shown once."""

    title: Any
    path: str
    labels: Mapping[Any, Any] | None = None
    mask: Callable[[str], str] | None = None
    expression: Any = None


@dataclass(frozen=True, slots=True)
class Export:
    """What can be exported of a list, and who may.

    The list is the model's own, or where the rows are parts of what is listed (such as the lines of orders) that of
    `listed`, to which `path` leads. Upper apps add columns to `added`.
    """

    model: type[Model]
    columns: Sequence[Column]
    permission: str
    personal_permission: str
    listed: type[Model] | None = None
    path: str = ""
    added: list[Column] = field(default_factory=list)

    @property
    def key(self) -> str:
        """Its name in a job."""
        return self.model._meta.label_lower

    @property
    def row_name(self) -> str:
        """What one row is."""
        return str(self.model._meta.verbose_name)

    @property
    def title(self) -> str:
        """What its rows are."""
        return str(self.model._meta.verbose_name_plural)

    @property
    def all_columns(self) -> list[Column]:
        """Its columns, with those of upper apps."""
        return [*self.columns, *self.added]

    @property
    def has_personal_data(self) -> bool:
        """Whether a column holds personal data."""
        return any(column.mask for column in self.all_columns)


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
        file_name=export.title,
    )


def rows_of(export: Export, owner: Any, query: str) -> QuerySet[Any]:
    """The rows that the owner's list has with these filters. Raises OmsError, PermissionDenied."""
    model_admin = admin.site.get_model_admin(export.listed or export.model)
    request: HttpRequest = RequestFactory().get("/", QueryDict(query))
    request.GET = QueryDict(query)  # type: ignore[assignment]
    request.user = owner
    if not owner.is_active or not model_admin.has_view_permission(request):
        raise PermissionDenied
    try:
        listed = model_admin.get_changelist_instance(request).queryset
    except IncorrectLookupParameters as error:
        raise OmsError(_("The list has no such filter any more.")) from error
    if export.listed is None:
        return listed
    return export.model._default_manager.filter(**{f"{export.path}__in": listed.order_by().values("pk")})


def may_read(user: Any, job: Job) -> bool:
    """Whether the user has the rights that the file needs, also now."""
    export = EXPORTS.get(job.params.get("export", ""))
    if export is None or not user.has_perm(export.permission):
        return False
    return not job.params["personal"] or user.has_perm(export.personal_permission)


def work(turn: jobs.Turn) -> bool:
    """Write the next parts of the file; once there are no more rows, join them.

    A part is kept with the step that wrote it, so that a killed worker loses the part that it was writing.
    """
    job = turn.job
    export = EXPORTS[job.params["export"]]
    if not may_read(job.owner, job):
        raise OmsError(_("You no longer have the right to this export."))
    rows = rows_of(export, job.owner, job.params["query"]).order_by("-pk")
    if not job.progress:
        _begin(job, rows)
    columns = export.all_columns
    rows = rows.annotate(**{column.path: column.expression for column in columns if column.expression is not None})
    shown = [_shown(column, personal=job.params["personal"]) for column in columns]
    paths = [column.path for column in columns]
    while batch := _after(rows, job.progress["last"], paths):
        lines = [[show(value) for show, value in zip(shown, row[1:], strict=True)] for row in batch]
        # The last part is short, and joined in the same breath: should that kill its workers, they must be counted.
        with turn.step(is_lasting=len(batch) == BATCH):
            _save_part(job, lines)
            job.progress["last"] = batch[-1][0]
            job.done = min(job.done + len(batch), job.total or 0)
        if turn.is_over():
            return False
    return _join(turn, export)


def _begin(job: Job, rows: QuerySet[Any]) -> None:
    """Count the rows. Raises OmsError where they are too many."""
    most = settings.EXPORT_MAX_ROWS
    total = rows.order_by()[: most + 1].count()
    if total > most:
        raise OmsError(_("More than %(most)d rows: narrow the list by its filters.") % {"most": most})
    volume.take(job.owner, job.pk, EXPORTS[job.params["export"]].title, total, personal=job.params["personal"])
    # `parts`: how many rows each finished part has; `last`: the key of the last row of them.
    job.progress, job.done, job.failed, job.total = {"parts": [], "last": None}, 0, 0, total


def _after(rows: QuerySet[Any], last: int | None, paths: Sequence[str]) -> list[tuple[Any, ...]]:
    """The keys and values of the next rows, newest first; one short statement."""
    page = rows if last is None else rows.filter(pk__lt=last)
    return list(page.values_list("pk", *paths)[:BATCH])


def _part(job: Job, number: int) -> str:
    return f"jobs/{job.folder}/part-{number:05d}"


def _save_part(job: Job, lines: list[list[Any]]) -> None:
    """Write the next part, as the file will show it. The job is locked; what a killed worker left is written anew."""
    name = _part(job, len(job.progress["parts"]))
    default_storage.delete(name)
    content = "\n".join(json.dumps(line, ensure_ascii=False, default=_packed) for line in lines)
    default_storage.save(name, ContentFile(content.encode()))
    job.progress["parts"].append(len(lines))


def _packed(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"moment": value.isoformat()}
    return {"decimal": str(value)} if isinstance(value, Decimal) else str(value)


def _unpacked(packed: dict[str, str]) -> Decimal | datetime:
    return datetime.fromisoformat(packed["moment"]) if "moment" in packed else Decimal(packed["decimal"])


def _lines_of(job: Job, number: int) -> list[list[Any]]:
    """The rows of a finished part; none where its file is gone or damaged."""
    try:
        with default_storage.open(_part(job, number)) as file:
            return [json.loads(line, object_hook=_unpacked) for line in file.read().decode().split("\n")]
    except (OSError, ValueError):
        return []


def _join(turn: jobs.Turn, export: Export) -> bool:
    """Make the file of the parts; False, and the job begins anew, where one of them is gone."""
    job = turn.job
    form = job.params["form"]
    with tempfile.TemporaryFile() as file:
        writer = tables.writer(form, file, [str(column.title) for column in export.all_columns])
        for number, count in enumerate(job.progress["parts"]):
            lines = _lines_of(job, number)
            with turn.step(is_lasting=False):
                if len(lines) != count:
                    job.progress = {}
            if not job.progress:
                return False
            for line in lines:
                writer.write(line)
        writer.close()
        file.seek(0)
        name = f"{export.model._meta.model_name}{'-personal' if job.params['personal'] else ''}"
        jobs.save_result(turn, f"{name}-{timezone.localtime():%Y%m%d-%H%M}.{form}", File(file))
    for number in range(len(job.progress["parts"])):
        default_storage.delete(_part(job, number))
    return True


def _shown(column: Column, *, personal: bool) -> Callable[[Any], Any]:
    if column.mask and not personal:
        mask = column.mask
        return lambda value: mask(value or "")
    if column.labels is not None:
        labels = {key: str(label) for key, label in column.labels.items()}
        return lambda value: labels.get(value, value)
    return _plain


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return ", ".join(dict.fromkeys(str(each) for each in value if each))
    # A cell knows no zone: it has China's time.
    return value.astimezone(CHINA).replace(tzinfo=None, microsecond=0) if isinstance(value, datetime) else value


KIND = jobs.register(jobs.JobKind("export", gettext_lazy("Export"), "", work, may_read))
