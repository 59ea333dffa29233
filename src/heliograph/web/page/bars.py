"""The bar chart: solar energy split by use, house consumption split by source."""

from __future__ import annotations

from math import ceil, floor, log10
from typing import TYPE_CHECKING

import htpy as h

from heliograph.web.page.format import axis_label, energy, split_house, split_solar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date

    from heliograph.web.page.format import EnergySplit
    from heliograph.web.page.history import Bar

_SLOT, _WIDE, _HIGH = 12.0, 4.2, 100.0


def bar_chart(bars: Sequence[Bar], span: str, where: Callable[[date], str]) -> h.Element:
    """Return the chart; it is hidden from screen readers, which read the table below it."""
    splits = [(split_solar(one.values), split_house(one.values)) for one in bars]
    most = max((one.total for pair in splits for one in pair if one), default=0.0)
    step = _step(most)
    top = step * max(1, ceil(most / step - 1e-9))
    ticks = round(top / step)
    wide = _SLOT * len(bars)
    return h.div(".bars", aria_hidden="true")[
        h.div(".y")[[h.span[axis_label(step * number)] for number in range(ticks, -1, -1)]],
        h.svg(viewBox=f"0 0 {wide:g} {_HIGH:g}", preserveAspectRatio="none", focusable="false")[
            [
                h.Element("path")(".line", d=f"M0 {_HIGH - _HIGH * number / ticks:.2f}H{wide:g}")
                for number in range(ticks + 1)
            ],
            [
                _slot(place, bar, pair, top, where(bar.first), span)
                for place, (bar, pair) in enumerate(zip(bars, splits, strict=True))
            ],
        ],
        h.div(f".x.of-{len(bars)}")[[h.span[label(bar, span, short=True)] for bar in bars]],
    ]


def label(bar: Bar, span: str, *, short: bool = False) -> str:
    """Return the label of a bar."""
    day = bar.first
    if span == "year":
        return f"{day:%b}" if short else f"{day:%B}"
    if span == "week":
        return f"{day:%a} {day.day}"
    return f"{day.day}" if short else f"{day:%a} {day.day} {day:%b}"


def _slot(
    place: int, bar: Bar, pair: tuple[EnergySplit | None, EnergySplit | None], top: float, where: str, span: str
) -> h.Element:
    x = place * _SLOT
    lines = [label(bar, span)]
    for word, split in zip(("solar", "house"), pair, strict=True):
        if split:
            lines.append(f"{word} {energy(split.total)}")
    names = (("sun", "export"), ("house", "grid"))
    both = [one for one in zip(pair, names, strict=True) if one[0] is not None]
    middle = x + (_SLOT - len(both) * _WIDE - (len(both) - 1) * 0.6) / 2
    return h.a(".slot", href=where, tabindex="-1")[
        h.title["\n".join(lines) if pair != (None, None) else f"{lines[0]}: no data"],
        h.rect(".hit", x=f"{x:g}", y=0, width=f"{_SLOT:g}", height=f"{_HIGH:g}"),
        [
            _stack(middle + number * (_WIDE + 0.6), split, names, top)
            for number, (split, names) in enumerate(both)
            if split
        ],
    ]


def _stack(x: float, split: EnergySplit, names: tuple[str, str], top: float) -> h.Node:
    """Draw one bar: own use below, grid above; in one part if the split is unknown."""
    own = split.total if split.own is None else split.own
    parts = [(names[0], 0.0, own)]
    if split.grid:
        parts.append((names[1], own, split.grid))
    return [
        h.rect(
            f".{name}",
            x=f"{x:.2f}",
            y=f"{_HIGH * (1 - (foot + size) / top):.2f}",
            width=f"{_WIDE:g}",
            height=f"{_HIGH * size / top:.2f}",
        )
        for name, foot, size in parts
    ]


def _step(most: float) -> float:
    """Return the distance of grid lines: a round number that gives three to five lines.

    >>> [_step(one) for one in (0.0, 0.37, 4.1, 23.4, 870)]
    [0.25, 0.1, 1.0, 5.0, 200.0]
    """
    if most <= 0:
        return 0.25
    rough = most / 4
    size = 10.0 ** floor(log10(rough))
    return next(round(size * one, 9) for one in (1, 2, 2.5, 5, 10) if size * one * 5 >= most)
