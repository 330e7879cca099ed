"""A line chart as SVG, made here: no script, no other server."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

WIDTH, HEIGHT, LEFT, TOP, BOTTOM = 720, 200, 64, 10, 24


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the chart: its points as the attribute of a polyline, and each with its day and value."""

    name: str
    style: str
    points: str
    dots: Sequence[tuple[float, float, date, float]]


@dataclass(frozen=True, slots=True)
class Chart:
    """What the template draws: lines, values beside the horizontal rules, days under some of the points."""

    lines: Sequence[Line]
    rules: Sequence[tuple[float, str]]
    days: Sequence[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    text_right: int = LEFT - 6


def chart(days: Sequence[date], values: Sequence[tuple[str, str, Sequence[float]]]) -> Chart | None:
    """Lines (name, style, a value for each day) over the days, in their order; None of less than two days."""
    if len(days) < 2:
        return None
    every_value = [value for _name, _style, line in values for value in line]
    low = -_round_up(-min(every_value)) if min(every_value) < 0 else 0.0
    top = _round_up(max(every_value)) if max(every_value) > 0 or not low else 0.0
    span = (days[-1] - days[0]).days
    xs = [round(LEFT + (WIDTH - LEFT - 8) * (day - days[0]).days / span, 1) for day in days]

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (top - value) / (top - low), 1)

    lines = [
        Line(
            name,
            style,
            " ".join(f"{x},{y(value)}" for x, value in zip(xs, line, strict=True)),
            [(x, y(value), day, value) for x, day, value in zip(xs, days, line, strict=True)],
        )
        for name, style, line in values
    ]
    every = max(len(days) // 6, 1)
    marks = [(x, f"{day:%m-%d}") for number, (x, day) in enumerate(zip(xs, days, strict=True)) if number % every == 0]
    rules = [low + (top - low) * part / 4 for part in range(5)]
    return Chart(lines, [(y(value), f"{value:,.12g}") for value in rules], marks)


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 10, 20, 40 … (or of their hundredths) that is not below the value."""
    unit = 0.01
    while True:
        for step in (1, 2, 4):
            if unit * step >= value:
                return unit * step
        unit *= 10
