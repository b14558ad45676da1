"""A short run in float16 and in bfloat16 against the same one in float32."""

from __future__ import annotations

from collections.abc import Iterator

from farense_worker.protocol.language import gettext as _

from farense_tui.engine.verify.outcome import furthest
from farense_tui.engine.verify.row import Row, judged
from farense_tui.engine.verify.tolerance import CURVE
from farense_tui.engine.verify.workshop import Workshop

GROUP = _("computed")


def rows(workshop: Workshop) -> Iterator[Row]:
    """Train the same in each type, without dropout; compare the losses step by step."""
    exact = workshop.finish(workshop.run("float32", model__dtype="float32", lora__dropout=0.0))
    for dtype, allowed in CURVE.items():
        state = workshop.finish(workshop.run(dtype, model__dtype=dtype, lora__dropout=0.0))
        far = furthest(state, exact)
        whole = state.step == exact.step and bool(state.loss)
        check = _("a run in {dtype} = in float32").format(dtype=dtype)
        detail = _("{n} steps").format(n=state.step)
        if any(notice.code == "float16" for notice in state.notices):
            detail += ", " + _("it left float16's range and went on in bfloat16")
        figures = {"difference": far, "allowed": allowed}
        verdict = judged(whole and far <= allowed)
        expected = f"≤ {allowed:.0e}"
        yield Row(GROUP, f"curve_{dtype}", check, expected, f"{far:.1e}", verdict, detail, figures)
