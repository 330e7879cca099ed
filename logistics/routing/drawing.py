"""The schematic map of a plan: where stops are to each other and in which order they are driven; drawn as SVG by the
template. Only directions and relations are right, no roads."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import cos, pi, radians, sin

from logistics.models import Station, Stop, Tour

WIDTH, HEIGHT, _EDGE = 800, 460, 30
COLOURS = ("#2563eb", "#dc2626", "#059669", "#d97706", "#7c3aed", "#0891b2", "#be185d", "#4d7c0f", "#475569", "#b45309")
# Stops at one point stand around it, so far apart.
_APART = 13


@dataclass(frozen=True, slots=True)
class Dot:
    """A stop on the map; `label` is its number in its tour, empty where it is in none."""

    x: float
    y: float
    label: str
    colour: str
    title: str


@dataclass(frozen=True, slots=True)
class Map:
    """The map: the station, a line for each tour (points and colour), and the stops."""

    home: tuple[float, float]
    lines: Sequence[tuple[str, str]]
    dots: Sequence[Dot]
    width: int = WIDTH
    height: int = HEIGHT


def colours(tours: Sequence[Tour]) -> dict[int, str]:
    """The colour of each tour (id)."""
    return {tour.pk: COLOURS[place % len(COLOURS)] for place, tour in enumerate(tours)}


def draw(station: Station, tours: Sequence[Tour], stops: Sequence[Stop]) -> Map:
    """The map of a plan; parcels must be loaded with the stops."""
    points = [(station.longitude, station.latitude), *((s.parcel.longitude, s.parcel.latitude) for s in stops)]
    shrink = cos(radians(station.latitude))
    flat = [(longitude * shrink, latitude) for longitude, latitude in points]
    left, low = (min(point[axis] for point in flat) for axis in (0, 1))
    wide, tall = (max(point[axis] for point in flat) - low_end for axis, low_end in ((0, left), (1, low)))
    scale = min((WIDTH - 2 * _EDGE) / max(wide, 1e-4), (HEIGHT - 2 * _EDGE) / max(tall, 1e-4))
    off_x, off_y = (WIDTH - wide * scale) / 2, (HEIGHT - tall * scale) / 2

    def place(point: tuple[float, float]) -> tuple[float, float]:
        return round(off_x + (point[0] - left) * scale, 1), round(HEIGHT - off_y - (point[1] - low) * scale, 1)

    home = place(flat[0])
    colour = colours(tours)
    seen: Counter[tuple[float, float]] = Counter()
    dots, lines = [], {tour.pk: [home] for tour in tours}
    for stop, point in zip(stops, flat[1:], strict=True):
        x, y = _beside(place(point), seen)
        title = f"{stop.parcel.waybill} {stop.parcel.region}"
        dots.append(Dot(x, y, str(stop.position or ""), colour.get(stop.tour_id or 0, "#9ca3af"), title))
        if stop.tour_id in lines:
            lines[stop.tour_id].append((x, y))
    drawn = [
        (" ".join(f"{x:g},{y:g}" for x, y in (*way, home)), colour[key]) for key, way in lines.items() if len(way) > 1
    ]
    return Map(home, drawn, dots)


def _beside(point: tuple[float, float], seen: "Counter[tuple[float, float]]") -> tuple[float, float]:
    """The point, or a place of its own on a spiral around it."""
    number = seen[point]
    seen[point] += 1
    angle, far = number * pi * (3 - 5**0.5), _APART * number**0.5
    x = min(max(point[0] + far * cos(angle), 12), WIDTH - 12)
    y = min(max(point[1] + far * sin(angle), 12), HEIGHT - 12)
    return round(x, 1), round(y, 1)
