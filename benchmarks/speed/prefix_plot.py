"""Draw what prefix.py --csv has kept: how many times faster than mlx_lm.lora, by system prompt.

python benchmarks/speed/prefix_plot.py [docs/prefix.csv] [docs/pictures/prefix.png]
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

DOCS = Path(__file__).resolve().parents[2] / "docs"
_TRAINED = {"half": "top half trained", "all": "all layers trained"}
_LINES = {"shared": ("#2f6f9f", "o", "prefix shared"), "plain": ("#b5651d", "s", "plain")}


def main(
    table: Path = DOCS / "prefix.csv", picture: Path = DOCS / "pictures" / "prefix.png"
) -> None:
    """Read the table and draw a chart for each model and each number of trained layers."""
    with table.open(newline="") as file:
        measured = list(csv.DictReader(file))
    charts = list(dict.fromkeys((each["model"], each["trained"]) for each in measured))
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    size = (3.6 * len(charts), 3.2)
    figure, all_axes = plt.subplots(
        1, len(charts), figsize=size, layout="constrained", sharex=True, sharey=True, squeeze=False
    )
    for axes, (model, trained) in zip(all_axes[0], charts, strict=True):
        own = [each for each in measured if (each["model"], each["trained"]) == (model, trained)]
        for name in _LINES:
            _line(axes, name, [each for each in own if each["measure"] == name])
        axes.axhline(1, color="#999999", linewidth=0.8)
        axes.set_title(f"{model}, {_TRAINED[trained]}", fontsize=9)
        axes.set_xlabel("tokens of the system prompt")
        axes.spines[["top", "right"]].set_visible(False)
    all_axes[0][0].set_ylabel("useful tokens/s, mlx_lm.lora = 1")
    all_axes[0][0].set_ylim(bottom=0)
    all_axes[0][0].legend(frameon=False)
    figure.savefig(picture, dpi=110)


def _line(axes: Any, name: str, measured: list[dict[str, str]]) -> None:
    """Draw the medians, with the lowest and the highest as whiskers."""
    colour, sign, label = _LINES[name]
    rows = sorted(measured, key=lambda each: int(each["prompt"]))
    at = [int(each["prompt"]) for each in rows]
    middle, low, high = (
        [float(each[key]) for each in rows] for key in ("median", "lowest", "highest")
    )
    whiskers = (
        [m - value for m, value in zip(middle, low, strict=True)],
        [value - m for m, value in zip(middle, high, strict=True)],
    )
    axes.errorbar(at, middle, yerr=whiskers, color=colour, marker=sign, capsize=3, label=label)
    axes.set_xticks(at)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
