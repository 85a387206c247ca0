# Copyright: azora.platform contributors
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Draws what the static engine costs against the size of the platform, both axes logarithmic, beside a line of slope 1."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib import pyplot
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

PANELS = (
    ("processor seconds", {"with suggestions": "with 25 proven suggestions", "difference": "closed-world difference"}),
    ("peak memory, MB", {"peak MB": "Python, the objects and the engine"}),
)
COLOURS = ("#b3541e", "#0b6e99")
STEPS = (1, 2, 5)
# For the legend, as a part of the height.
HEADROOM = 0.22


def draw(rows: Sequence[Mapping[str, Any]], exponents: Mapping[str, float], path: pathlib.Path) -> None:
    pyplot.switch_backend("agg")
    # The same figures give the same file, whenever it is drawn.
    pyplot.rcParams.update(
        {"svg.hashsalt": "cost", "font.size": 10, "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, places = pyplot.subplots(1, len(PANELS), figsize=(9, 4.2), layout="constrained")
    sizes = [row["services"] for row in rows]
    for place, (title, series) in zip(places, PANELS, strict=True):
        for (what, words), colour in zip(series.items(), COLOURS, strict=False):
            costs = [row[what] for row in rows]
            label = f"{words}: slope {exponents[what]:.2f}" if exponents else words
            place.plot(sizes, costs, marker="o", color=colour, label=label)
            guide = [costs[-1] * size / sizes[-1] for size in sizes]
            place.plot(sizes, guide, linestyle="--", linewidth=1, color="#999999", zorder=0)
        place.plot([], [], linestyle="--", linewidth=1, color="#999999", label="linear: slope 1")
        place.set(xscale="log", yscale="log", title=title, xlabel="services (5 pods and 2 policies each)")
        low, high = place.get_ylim()
        place.set_ylim(low, high * (high / low) ** HEADROOM)
        place.grid(which="major", color="#e4e4e4", linewidth=0.8)
        place.set_axisbelow(True)
        place.xaxis.set(
            major_locator=FixedLocator(sizes), minor_locator=NullLocator(), major_formatter=FuncFormatter(_number)
        )
        low, high = place.get_ylim()
        ticks = [step * 10.0**power for power in range(-3, 5) for step in STEPS]
        place.yaxis.set(
            major_locator=FixedLocator([tick for tick in ticks if low <= tick <= high]),
            minor_locator=NullLocator(),
            major_formatter=FuncFormatter(_number),
        )
        place.legend(frameon=False, loc="upper left", fontsize=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150, metadata={"Date": None} if path.suffix == ".svg" else None)


def _number(value: float, _position: int) -> str:
    return f"{value:,.10g}"
