"""The model that tests train: one of the worker's made ones."""

from __future__ import annotations

from farense_worker.verify.made_model import make

__all__ = ["make"]
