"""Photos of returns: what buyers show, and what inspection saw."""

from collections.abc import Sequence
from uuid import uuid4

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _

from oms.common.errors import OmsError
from orders.actors import Actor
from orders.models import ReturnPhoto, ReturnRequest, StrayParcel, StrayPhoto

MOST_PHOTOS, MOST_BYTES = 9, 8 * 2**20
# How such a file begins, of what type it is, and how its name ends.
_TYPES = ((b"\x89PNG\r\n\x1a\n", "image/png", ".png"), (b"\xff\xd8\xff", "image/jpeg", ".jpg"))


def add(row: ReturnRequest, files: Sequence[UploadedFile], *, actor: Actor) -> None:
    """Keep these photos with the return. Raises OmsError for too many, too large ones, and what is no photo."""
    if row.photos.count() + len(files) > MOST_PHOTOS:
        raise OmsError(_("A return has at most %(most)d photos.") % {"most": MOST_PHOTOS}, attr="photos")
    for file, (media_type, extension) in _checked(files):
        photo = ReturnPhoto(
            return_request=row, media_type=media_type, added_by_kind=actor.kind, added_by=actor.name[:80]
        )
        photo.file.save(f"{uuid4().hex}{extension}", file, save=False)
        photo.save()


def add_to_stray(parcel: StrayParcel, files: Sequence[UploadedFile]) -> None:
    """Keep these photos with a parcel that nobody knows. Raises OmsError as `add` does."""
    if len(files) > MOST_PHOTOS:
        raise OmsError(_("A parcel has at most %(most)d photos.") % {"most": MOST_PHOTOS}, attr="photos")
    for file, (media_type, extension) in _checked(files):
        photo = StrayPhoto(parcel=parcel, media_type=media_type)
        photo.file.save(f"{uuid4().hex}{extension}", file, save=False)
        photo.save()


def _checked(files: Sequence[UploadedFile]) -> list[tuple[UploadedFile, tuple[str, str]]]:
    """The files with what they are; all are looked at before any is kept."""
    return [(file, _type_of(file)) for file in files]


def _type_of(file: UploadedFile) -> tuple[str, str]:
    if not file.size or file.size > MOST_BYTES:
        detail = _("%(name)s is empty or larger than %(most)d MB.")
        raise OmsError(detail % {"name": file.name, "most": MOST_BYTES // 2**20}, attr="photos")
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    for prefix, media_type, extension in _TYPES:
        if start.startswith(prefix):
            return media_type, extension
    raise OmsError(_("%(name)s is no PNG or JPEG photo.") % {"name": file.name}, attr="photos")
