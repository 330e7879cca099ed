"""Tiles of the start page: figures of one subject, each a link to the list of exactly the rows that it counts.

A tile is data: its right, how its figures are read, and in which roles' boards it stands. Figures are kept for some
seconds in no language, and counted up to a cap.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.core.cache import cache
from django.db.models import QuerySet
from django.urls import reverse
from django.utils.http import urlencode

from oms.common.desk.counting import capped_count
from oms.common.models import Role
from oms.merchants import sandboxes

CAP = 10_000
KEPT_SECONDS = 15
MOST_TILES = 8
# So many rows of a kind (SKUs, warehouses, lanes) stand in a tile: those with the most.
MOST_ROWS = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of rows of a list: the list's model and the filters that leave exactly them. `label` is a lazy text, or
    a name as data; `note` a lazy text with its values; `limit` what the number should stay below. The right to the list
    is needed to see it."""

    label: Any
    count: int
    model: str
    query: Mapping[str, str] = field(default_factory=dict)
    tone: str = "warning"
    note: tuple[Any, Mapping[str, Any]] | None = None
    limit: int | None = None

    @property
    def right(self) -> str:
        """The right to the list."""
        app, model = self.model.split(".")
        return f"{app}.view_{model}"

    @property
    def link(self) -> str:
        """The address of the list of exactly these rows."""
        page = reverse(f"admin:{self.model.replace('.', '_')}_changelist")
        return f"{page}?{urlencode(self.query)}" if self.query else page

    @property
    def is_more(self) -> bool:
        """Whether there are more than were counted."""
        return self.count > CAP

    @property
    def shown_count(self) -> int:
        """What was counted."""
        return min(self.count, CAP)

    @property
    def percent(self) -> int | None:
        """How much of the limit it is, in hundredths."""
        return round(100 * self.count / self.limit) if self.limit else None

    @property
    def shown_note(self) -> str:
        """The note in the reader's language."""
        return str(self.note[0]) % self.note[1] if self.note else ""

    @property
    def shown_tone(self) -> str:
        """The colour: none where there is nothing."""
        return self.tone if self.count else ""


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of the start page. `read` takes the id of who looks and returns its figures, in a fixed number of
    statements; what is the same for everybody is kept once (`is_personal`: once a person)."""

    code: str
    title: Any
    right: str
    icon: str
    read: Callable[[int], Sequence[Figure]]
    empty: Any = ""
    is_personal: bool = False

    def key(self, user_id: int) -> str:
        """Under which its figures are kept."""
        return f"oms.boards.{self.code}.{user_id if self.is_personal else 'all'}"


TILES: dict[str, Tile] = {}
# Which tiles stand in a role's board, in order.
BOARDS: dict[str, tuple[str, ...]] = {}


def register(tile: Tile) -> Tile:
    """Offer the tile. Raises ValueError where there is one of its code."""
    if tile.code in TILES:
        raise ValueError(f"There are two tiles {tile.code}.")
    TILES[tile.code] = tile
    return tile


def board_of(user: Any) -> list[Tile]:
    """The tiles of the person's roles that it has the right to, at most `MOST_TILES`: superusers have the
    administrator's, and who has no role of the program those of his rights. One statement and those of the rights."""
    if user.is_superuser:
        roles: Iterable[str] = ("administrator",)
    else:
        roles = Role.objects.filter(group__user=user.pk).exclude(code="").order_by("pk").values_list("code", flat=True)
    codes = [code for role in roles for code in BOARDS.get(role, ())] or list(TILES)
    seen = [TILES[code] for code in dict.fromkeys(codes) if user.has_perm(TILES[code].right)]
    return seen[:MOST_TILES]


def figures_of(user: Any, tiles: Sequence[Tile]) -> list[tuple[Tile, list[Figure]]]:
    """Each tile with the figures that the person may see, at most KEPT_SECONDS old; a tile of which it may see nothing
    is left out."""
    keys = {tile.key(user.pk): tile for tile in tiles}
    kept = cache.get_many(keys)
    read = {key: list(tile.read(user.pk)) for key, tile in keys.items() if key not in kept}
    if read:
        cache.set_many(read, KEPT_SECONDS)
    shown = []
    for key, tile in keys.items():
        figures: list[Figure] = read[key] if key in read else kept[key]
        allowed = [figure for figure in figures if user.has_perm(figure.right)]
        if allowed or not figures:
            shown.append((tile, allowed))
    return shown


def counted(label: Any, model: str, rows: QuerySet[Any], query: Mapping[str, str] | None = None, **more: Any) -> Figure:
    """The figure of a list's rows without those of sandboxes, counted up to the cap. One statement."""
    return Figure(label, capped_count(sandboxes.real(rows), CAP), model, query or {}, **more)
