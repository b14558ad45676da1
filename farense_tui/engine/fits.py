"""The fitted part of the memory model: `python benchmarks/forecast.py --fit` prints this table.

From probes on MLX's CPU build, by whether steps are compiled and whether layers are checkpointed.
For Metal there is no fit: compiled steps are taken to behave there as they do on the CPU.
"""

from __future__ import annotations

from farense_tui.engine.memory_model import Fit

FITS: dict[tuple[str, bool], Fit] = {
    ("eager", False): Fit(4, 3, 2, 0.1, 6.2, 2.2, 14.5, 3.96, 7.89, 10.6, 10.6, 0.63, 1.9),
    ("eager", True): Fit(4, 3, 2, 10.7, 6.2, 2.8, 15.6, 3.92, 6.65, 9.68, 9.68, 1.2, 2.3),
    ("compiled", False): Fit(4, 3, 2, 22, 1.3, 2.1, 22.6, 3.81, 7.95, 11.4, 11.4, 0.92, 1.93),
    ("compiled", True): Fit(4, 3, 2, 24, 3.2, 2, 22.5, 3.95, 5.51, 9.18, 9.18, 1.35, 2.05),
}
