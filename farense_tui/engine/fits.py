"""The fitted part of the memory model: `python benchmarks/forecast.py --fit` prints this table.

From probes on MLX's CPU build, by whether steps are compiled and whether layers are checkpointed.
For Metal there is no fit: compiled steps are taken to behave there as they do on the CPU.
"""

from __future__ import annotations

from farense_tui.engine.memory_model import Fit

FITS: dict[tuple[str, bool], Fit] = {
    ("eager", False): Fit(3.8, 2.4, 2.6, 0.0, 6.2, 2.18, 14.8, 3.94, 2.75, 0.64, 1.89),
    ("eager", True): Fit(3.8, 2.4, 2.6, 11.1, 6.06, 2.84, 18.0, 3.8, 2.37, 1.2, 2.29),
    ("compiled", False): Fit(3.8, 2.4, 2.6, 20.95, 2.12, 1.99, 15.8, 3.93, 3.87, 0.73, 3.95),
    ("compiled", True): Fit(3.8, 2.4, 2.6, 24.0, 3.2, 2.01, 24.7, 3.82, 2.24, 1.35, 2.01),
}
