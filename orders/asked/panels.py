"""What upper apps add to the staff's pages of orders; `orders` itself imports none of them.

`payments.admin` and `logistics.admin` register here when the admin starts. Everything takes many ids at once or an
order whose parts are loaded already, so that the number of statements of a page stays fixed.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from orders.models import Order

# A tab above the order list counts so many orders and no further, and looks at so many of the rows that name them.
QUEUE_CAP = 999
MOST_LOOKED_AT = 5_000


@dataclass(frozen=True, slots=True)
class Remark:
    """A sentence on where something is and why. `tone` is info, success, warning or danger."""

    text: str
    tone: str = "info"


@dataclass(frozen=True, slots=True)
class Note:
    """A short coloured word on a row of the order list."""

    text: str
    tone: str = "muted"


@dataclass(frozen=True, slots=True)
class Action:
    """Something that staff may do next to an order, by somebody with the `right`.

    `obstacle` says why not, where it is not possible now; `asked` whom it asks and by when they answer, where it is not
    done at once. One with an `address` has a page or a part of the page of its own, others ask in a dialog.
    """

    name: str
    title: Any
    icon: str
    obstacle: str | None = None
    address: str = ""
    asked: str = ""
    right: str = ""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that the first screen of the order's page says, under its label."""

    label: Any
    text: Any
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """A part of the order's page.

    `context` gives what the template shows, None leaves the panel out. Entries of it go to the top of the page:
    `remarks` (a list of Remark), `head` (of Fact) and `actions` (of Action). Panels are shown by `position`, one with
    a `right` only to who has it.
    """

    title: Any
    template: str
    context: Callable[[Order], Mapping[str, Any] | None]
    position: int = 100
    right: str = ""

    @property
    def anchor(self) -> str:
        """The id of its part of the page: `#` with it is the address of actions that the panel itself offers."""
        return "panel-" + self.template.removeprefix("admin/").removesuffix(".html").replace("/", "-")


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab above the order list: a link to a filter of the list, with a (capped, cached) number of orders."""

    title: Any
    parameter: str
    value: str
    orders: Callable[[], QuerySet[Order]]
    position: int = 100


@dataclass(frozen=True, slots=True)
class Lookup:
    """A kind of number or word that the search box knows: `fits` tells whether a text looks like one, `order_ids` finds
    it, newest orders first and no more than the box shows; `title` is what people call it.

    One that `is_loose` finds by a part of it, and is asked only where nothing is called exactly so.
    """

    fits: Callable[[str], bool]
    order_ids: Callable[[str], QuerySet[Any]]
    title: Any
    is_loose: bool = False


@dataclass(slots=True)
class _Registry:
    panels: list[Panel] = field(default_factory=list)
    tabs: list[Tab] = field(default_factory=list)
    lookups: list[Lookup] = field(default_factory=list)
    row_notes: list[Callable[[Sequence[int]], Mapping[int, Iterable[Note]]]] = field(default_factory=list)
    filters: list[Any] = field(default_factory=list)


registry = _Registry()


def register(panel: Panel) -> None:
    """Show the panel on the page of every order that it has something to say of."""
    registry.panels.append(panel)
    registry.panels.sort(key=lambda known: known.position)


def register_tab(tab: Tab) -> None:
    """Show the tab above the order list."""
    registry.tabs.append(tab)
    registry.tabs.sort(key=lambda known: known.position)


def register_lookup(lookup: Lookup) -> None:
    """Let the search box look for this kind of number too."""
    registry.lookups.append(lookup)


def register_row_notes(notes: Callable[[Sequence[int]], Mapping[int, Iterable[Note]]]) -> None:
    """Show notes on the rows of the order list; called once a page, with the ids of its orders."""
    registry.row_notes.append(notes)


def register_filter(list_filter: Any) -> None:
    """Offer another filter on the order list."""
    registry.filters.append(list_filter)
