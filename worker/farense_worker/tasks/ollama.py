"""A Modelfile for Ollama, with the model's chat template in Go's language.

Ollama fills in a system text, a question and an answer. What stands around them is found by
rendering the model's own template with marks in their places, and the whole is only used if it
gives the model's own text for a conversation of two turns, with a system text and without.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_S, _Q, _A = "\ue000system\ue000", "\ue000question\ue000", "\ue000answer\ue000"
_Q2 = "\ue000another\ue000"
# A Modelfile goes to others, as a model card does, so it is in English.
_NO_TEMPLATE = (
    "# The model's chat template has no like in Ollama's: "  # not translated: for others
    "set TEMPLATE by hand."
)
_NO_SYSTEM = (
    "# The model was trained with a system prompt that a "  # not translated: for others
    "Modelfile cannot quote: set SYSTEM by hand."
)


@dataclass(frozen=True)
class Frame:
    """What stands before, between and after: of a question, an answer, and a system text.

    `with_system` is before the system text and between it and the question; None where the
    template knows no system text. `default` is what the template says where nobody gives one.
    """

    before: str
    between: str
    after: str
    with_system: tuple[str, str] | None
    default: str = ""

    def go(self) -> str:
        """Write it as Ollama's template."""
        if self.with_system is None:
            opening = self.before
        else:
            start, then = self.with_system
            opening = "{{ if .System }}" + start + "{{ .System }}" + then
            opening += "{{ else }}" + self.before + "{{ end }}"
        return opening + "{{ .Prompt }}" + self.between + "{{ .Response }}" + self.after


def modelfile(tokenizer: Any, source: str, context: int, system: str | None = None) -> str:
    """Write a Modelfile. source: the file or folder with the weights, relative to it.

    system: the system prompt that the model was trained with, None for none.
    """
    lines = [f"FROM {source}"]
    frame = find(tokenizer)
    if frame is None:
        lines.append(_NO_TEMPLATE)
    else:
        lines.append(f'TEMPLATE """{frame.go()}"""')
    if frame and not system:  # Ollama fills it into the first turn alone, as the template does
        system = frame.default
    if system and (frame is None or frame.with_system):
        lines.append(_NO_SYSTEM if '"""' in system else f'SYSTEM """{system}"""')
    for token in sorted(tokenizer.eos_token_ids):
        lines.append(_parameter("stop", f'"{tokenizer.decode([token])}"'))
    lines += [_parameter("num_ctx", context), _parameter("temperature", 0)]
    lines += [_parameter("repeat_penalty", 1), ""]  # by itself Ollama holds back what was said: 1.1
    return "\n".join(lines)


def _parameter(name: str, value: object) -> str:
    return f"PARAMETER {name} {value}"


def find(tokenizer: Any) -> Frame | None:
    """Find the frame of a tokenizer's chat template; None if it has none that Ollama could fill."""
    if not tokenizer.has_chat_template:
        return None
    once = _render(tokenizer, [("user", _Q)])
    twice = _render(tokenizer, [("user", _Q), ("assistant", _A), ("user", _Q2)])
    if once is None or twice is None:
        return None
    before, _, between = once.partition(_Q)
    _, _, rest = twice.partition(_A)
    joint, _, _ = rest.partition(_Q2)
    system = _system(tokenizer, between)
    if joint.endswith(before):
        frame = Frame(before, between, joint.removesuffix(before), system)
    else:
        ended = _render(tokenizer, [("user", _Q), ("assistant", _A)], asks=False)
        default = _default(before, system)
        if ended is None or not default:
            return None
        after = ended.partition(_A)[2]
        frame = Frame(joint.removeprefix(after), between, after, system, default)
    return frame if _fits(frame, twice) else None


def _default(opening: str, system: tuple[str, str] | None) -> str:
    """What a template says as a system text where there is none; empty if it is not seen."""
    if system is None or not (opening.startswith(system[0]) and opening.endswith(system[1])):
        return ""
    return opening[len(system[0]) : len(opening) - len(system[1])]


def _system(tokenizer: Any, between: str) -> tuple[str, str] | None:
    text = _render(tokenizer, [("system", _S), ("user", _Q)])
    if text is None or text.count(_S) != 1 or not text.endswith(_Q + between):
        return None
    start, _, rest = text.partition(_S)
    return start, rest.partition(_Q)[0]


def _fits(frame: Frame, twice: str) -> bool:
    """Whether filling the frame turn by turn gives what the model's template gives."""
    between = twice.partition(_Q)[2].partition(_A)[0]
    gap = between.removeprefix(frame.between)  # a space that the model itself begins answers with
    if gap.strip() or frame.between + gap != between:
        return False
    opening = frame.before
    if frame.default and frame.with_system:
        opening = frame.default.join(frame.with_system)
    filled = opening + _Q + between + _A + frame.after
    filled += frame.before + _Q2 + frame.between
    return filled == twice and not any(mark in frame.go() for mark in ('"""', "\ue000"))


def _render(tokenizer: Any, turns: list[tuple[str, str]], *, asks: bool = True) -> str | None:
    """Render a conversation without the bos that the runtime adds. asks: ready to be answered."""
    messages = [{"role": role, "content": content} for role, content in turns]
    try:
        text = tokenizer.apply_chat_template(messages, add_generation_prompt=asks, tokenize=False)
    except Exception:  # noqa: BLE001 - a template may raise anything to refuse a conversation
        return None
    if "{{" in text or "}}" in text:  # Go would read it
        return None
    bos = tokenizer.bos_token_id
    added = bos is not None and list(tokenizer.encode("")[:1]) == [bos]
    return str(text).removeprefix(tokenizer.decode([bos]) if added else "")
