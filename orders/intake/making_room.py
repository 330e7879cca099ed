"""Making room for what a promotion still lacks, by moving what others took: a maximum flow from promotions to lines."""

from collections.abc import Sequence
from itertools import pairwise

Shares = list[list[int]]


def make_room(
    promotion: int, lacks: int, covers: Sequence[Sequence[int]], shares: Shares, left: list[int]
) -> tuple[int, set[int]]:
    """Give the promotion what it lacks (fen) of lines that it covers; others that lie on these get as much elsewhere.

    `covers` holds the lines of each promotion, in the order in which they are asked; `shares`, what each line bears of
    each, and `left`, what each line can still bear, are changed. What nobody can bear is returned, with the lines that
    were asked: 0 where all found room, and more only where there is none, however the promotions are shared. Always the
    shortest way is gone (Edmonds-Karp), so it ends soon.
    """
    while lacks:
        way, asked = _way(promotion, covers, shares, left)
        if not way:
            return lacks, asked
        moved = min(lacks, left[way[0][1]], *(shares[taker][line] for taker, line in _given_up(way)))
        left[way[0][1]] -= moved
        for taker, line in _given_up(way):
            shares[taker][line] -= moved
        for taker, line in way:
            shares[taker][line] += moved
        lacks -= moved
    return 0, set()


def _way(
    promotion: int, covers: Sequence[Sequence[int]], shares: Shares, left: Sequence[int]
) -> tuple[list[tuple[int, int]], set[int]]:
    """Who takes which line more, from one with room back to the promotion; none where no line that can be reached has
    room. And the lines that were reached."""
    taken_by: dict[int, int] = {}  # the promotion that would take more of the line
    gives_up: dict[int, int] = {}  # the line of which the promotion would take less
    turn = [promotion]
    asked = {promotion}
    while turn:
        following = []
        for taker in turn:
            for line in covers[taker]:
                if line in taken_by:
                    continue
                taken_by[line] = taker
                if left[line]:
                    return _back(line, taken_by, gives_up), set(taken_by)
                for other, bears in enumerate(shares):
                    if bears[line] and other not in asked:
                        asked.add(other)
                        gives_up[other] = line
                        following.append(other)
        turn = following
    return [], set(taken_by)


def _back(line: int, taken_by: dict[int, int], gives_up: dict[int, int]) -> list[tuple[int, int]]:
    way = [(taken_by[line], line)]
    while way[-1][0] in gives_up:
        line = gives_up[way[-1][0]]
        way.append((taken_by[line], line))
    return way


def _given_up(way: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Who takes which line less: each on the way, the line that the next one takes."""
    return [(taker, line) for (taker, _line), (_taker, line) in pairwise(way)]
