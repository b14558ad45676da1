"""A stand-in for the worker that trains nothing: it plays scenarios and records.

It speaks the worker's protocol in full (stdout, lock, signals, exit codes, checkpoints that a
resume finds) and needs no MLX. `scenarios.py` has the scripts, put together from
`scenario_parts.py`; `stage.py` plays them.
"""
