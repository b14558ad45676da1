"""How often a run validates and saves: a short one more often than every so many steps."""

from __future__ import annotations

from farense_worker.protocol.settings.profile import CheckpointSettings, Report


def validate_every(report: Report, total_steps: int) -> int:
    """Steps between two validations in a run of `total_steps`."""
    return _steps(report.eval_every, report.eval_at_least, total_steps)


def validations(report: Report, total_steps: int) -> int:
    """Count those of a run of `total_steps`: before the first, every so many, after the last."""
    return 1 + -(-total_steps // validate_every(report, total_steps))


def save_every(checkpoint: CheckpointSettings, total_steps: int) -> int:
    """Steps between two checkpoints in a run of `total_steps`."""
    return _steps(checkpoint.every, checkpoint.at_least, total_steps)


def _steps(every: int, at_least: int, total_steps: int) -> int:
    return max(1, min(every, total_steps // at_least)) if at_least else every
