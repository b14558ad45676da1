"""Answers of a model as it is: greedy, so that they draw no random number, unless asked to.

mlx_lm's stream_generate is not used because it raises the wired limit to the maximum.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import mlx.core as mx

from farense_worker.generate import shared_prompt, thoughts
from farense_worker.generate.prompts import prompt_tokens
from farense_worker.generate.sampling import Sampling, chooser
from farense_worker.generate.shared_prompt import Begun
from farense_worker.model import model as network
from farense_worker.model.compat import make_prompt_cache


@dataclass(frozen=True)
class Answered:
    """An answer; said: what follows its thoughts, which is all of it where it has none.

    cut_off: it had reached the most tokens before its end.
    """

    text: str
    said: str
    cut_off: bool


def answer(
    model: Any, tokenizer: Any, question: str, max_tokens: int, system: str | None = None
) -> str:
    """Answer a question greedily. system: the message before it, None for none."""
    prompt = prompt_tokens(tokenizer, question, system)
    return next(answer_each(model, tokenizer, [prompt], max_tokens))


def answer_each(
    model: Any, tokenizer: Any, prompts: Sequence[Sequence[int]], max_tokens: int
) -> Iterator[str]:
    """Answer prompts (token ids) greedily, one by one; each ends with its turn or `max_tokens`.

    Special tokens are left in: whoever reads it is to see that the model says them.
    """
    end = tokenizer.eos_token_ids
    alike, _numbers = max(shared_prompt.groups(prompts), key=lambda group: len(group[1]))
    begun = shared_prompt.begin(model, alike)
    for prompt in prompts:
        before = begun if list(prompt[: len(alike)]) == list(alike) else None
        said = tokens(model, prompt, max_tokens, begun=before)
        text: str = tokenizer.decode(list(takewhile(lambda token: token not in end, said)))
        yield text.strip()


def answers(
    model: Any,
    tokenizer: Any,
    prompts: Sequence[Sequence[int]],
    *,
    batch_size: int,
    max_tokens: int,
    tell: Callable[[int], None],
) -> list[Answered]:
    """Answer each prompt (token ids) greedily; `tell` is called with how many are done.

    What they begin with alike goes through once.
    Prompts of one length go together, so that none has to be padded: a padded one would need a
    mask, which not every model takes, and without one its answer would be another.
    """
    end = set(tokenizer.eos_token_ids)
    found: dict[int, Answered] = {}
    for alike, group in shared_prompt.groups(prompts):
        begun = shared_prompt.begin(model, alike)
        by_length: dict[int, list[int]] = defaultdict(list)
        for number in group:
            by_length[len(prompts[number])].append(number)
        for _, numbers in sorted(by_length.items()):
            for start in range(0, len(numbers), batch_size):
                together = numbers[start : start + batch_size]
                lines = _greedy(model, [prompts[n] for n in together], end, max_tokens, begun)
                for number, line in zip(together, lines, strict=True):
                    stop = next((at for at, token in enumerate(line) if token in end), len(line))
                    text, said = (
                        tokenizer.decode(part, skip_special_tokens=True).strip()
                        for part in (line[:stop], thoughts.aloud(tokenizer, line[:stop]))
                    )
                    found[number] = Answered(text, said, stop == len(line))
                tell(len(found))
    return [found[number] for number in range(len(prompts))]


def tokens(
    model: Any,
    prompt: Sequence[int],
    max_tokens: int,
    *,
    sampling: Sampling = Sampling(),  # noqa: B008 - it cannot be changed
    begun: Begun | None = None,
) -> Iterator[int]:
    """Give the next token, again and again; the first follows the prompt.

    begun: the prompt's beginning, where that has gone through already.
    """
    choose = chooser(sampling, prompt)
    for (token,) in _continue(model, [prompt], max_tokens, choose, begun):
        yield token


def _greedy(
    model: Any,
    prompts: Sequence[Sequence[int]],
    end: set[int],
    max_tokens: int,
    begun: Begun | None,
) -> list[list[int]]:
    """Continue prompts of one length side by side until each has had its end token."""
    lines: list[list[int]] = [[] for _ in prompts]
    ended = [False] * len(prompts)
    for chosen in _continue(model, prompts, max_tokens, _likeliest, begun):
        for at, token in enumerate(chosen):
            lines[at].append(token)
            ended[at] = ended[at] or token in end
        if all(ended):
            break
    return lines


def _likeliest(logits: mx.array) -> mx.array:
    return mx.argmax(logits, axis=-1)


def _continue(
    model: Any,
    prompts: Sequence[Sequence[int]],
    max_tokens: int,
    choose: Callable[[mx.array], mx.array],
    begun: Begun | None,
) -> Iterator[list[int]]:
    """Give the next token of each prompt, all of one length, again and again.

    choose: of logits [prompts, 1, vocabulary], the tokens [prompts, 1]. MLX computes one token
    ahead of the one that is given, so that it does not wait for whoever looks at that.
    """
    network.check_tokens(model, max(max(prompt) for prompt in prompts))
    cache = begun.handed_on(len(prompts)) if begun else make_prompt_cache(model)
    fed = mx.array([list(prompt) for prompt in prompts])[:, begun.length if begun else 0 :]
    # all but the last token: their logits are never computed
    shared_prompt.through(model, fed[:, :-1], cache)
    fed = fed[:, -1:]

    def after(tokens: mx.array) -> mx.array:
        following = choose(model(tokens, cache=cache)[:, -1:])
        mx.async_eval(following)
        return following

    ahead = after(fed) if max_tokens else fed
    for left in range(max_tokens - 1, -1, -1):
        fed, ahead = ahead, after(ahead) if left else ahead
        chosen: Any = fed[:, 0].tolist()
        yield chosen
