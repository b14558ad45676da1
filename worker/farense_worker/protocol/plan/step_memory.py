"""How much memory a step takes, by part. Pure arithmetic: no file is read, no MLX imported.

What the gradient needs of a trained layer is counted from the graph (`saved`); what is there for a
moment only while a layer or the head is computed is fitted (`Fit`), because it depends on the order
in which a backend works. See benchmarks/forecast/forecast.py and docs/performance.md.

Attention on Metal: from mlx 0.32.4 on its backward pass goes block by block (sdpa_vjp_blocked,
1024 x 1024) and nothing of the scores is kept for it, so memory is linear in the length. That is
so for the heads of _FUSED_HEADS and a mask that is no array, which is what mlx_lm's classes ask
for (tests/worker/model/test_split_forward.py) but for the ones that `fused` leaves out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from farense_worker.protocol.plan import adapter
from farense_worker.protocol.plan.cutting import chunk_of
from farense_worker.protocol.plan.memory_fit import FITS, Fit
from farense_worker.protocol.plan.model_shape import Shape
from farense_worker.protocol.plan.steps import compiled
from farense_worker.protocol.settings.profile import Profile

# Linear layers that read the same input, of which one copy serves all.
_READERS = (("q_proj", "k_proj", "v_proj", "qkv_proj"), ("gate_proj", "up_proj", "gate_up_proj"))
# Sizes of heads that Metal's full-attention kernel is compiled for, and the block of its backward.
_FUSED_HEADS = (64, 72, 80, 96, 128, 192, 256)
_BLOCK = 1024
# Arrays of a block's scores that the fused backward has at once. With them and gradients that are
# added up in float32 the published peaks of an M1 Max are met: benchmarks/forecast/metal_points.py.
_FUSED_SCORES = 3
_KEYS_AT_ONCE = 4  # copies of them behind a prefix, on the CPU
_WINDOW = 512  # of the smallest Gemma 3: longer rows get a mask that is an array


@dataclass(frozen=True)
class MicroBatch:
    """What goes through the model at once: rows of `width` tokens, with `labels` in all.

    prefix: tokens that come before all of them. passes: how often these go through with them: once,
    not at all where their states are handed on, or ahead of others that were handed them too.
    """

    rows: int
    width: int
    labels: int
    prefix: int = 0
    passes: int = 1

    @property
    def tokens(self) -> int:
        """Those that have a gradient, padding included."""
        return self.rows * self.width + self.prefix * (self.passes > 0)

    @property
    def ahead(self) -> int:
        """Those that go through ahead, without a gradient."""
        return self.prefix * (self.passes > 1)

    @property
    def alone(self) -> MicroBatch:
        """The same as a probe takes it: without others that a prefix would go ahead of."""
        return replace(self, passes=min(self.passes, 1))

    @property
    def reach(self) -> int:
        """Tokens that the last one of a row attends to."""
        return self.prefix + self.width


@dataclass(frozen=True)
class Parts:
    """Peak memory in bytes: what stays (weights, adapter, optimizer), and what comes and goes."""

    weights: int
    adapter: int
    optimizer: int
    activations: int
    logits: int
    other: int

    @property
    def resident(self) -> int:
        """What is there before a step and after it."""
        return self.weights + self.adapter + self.optimizer

    @property
    def total(self) -> int:
        """All of it."""
        return self.resident + self.activations + self.logits + self.other


def fit_of(profile: Profile, *, gpu: bool) -> Fit:
    """Find the fitted part for how a run is computed."""
    how = "compiled" if compiled(profile, gpu=gpu) else "eager"
    return FITS[how, profile.train.grad_checkpoint]


def trained_layers(shape: Shape, profile: Profile) -> int:
    """How many layers are trained."""
    return adapter.layers(profile, shape.layers)


def scores(shape: Shape, batch: MicroBatch, *, gpu: bool) -> int:
    """Attention scores of a layer that are there at once: rows x heads x width^2, or of blocks.

    Behind a prefix each token attends to that too, and the prefix to itself once.
    """
    most = _BLOCK if fused(shape, batch, gpu=gpu) else batch.reach
    of_rows = batch.rows * min(batch.width, most) * min(batch.reach, most)
    return shape.heads * (of_rows + (batch.passes > 0) * min(batch.prefix, most) ** 2)


def fused(shape: Shape, batch: MicroBatch, *, gpu: bool) -> bool:
    """Whether attention is computed without keeping its scores. Gemma 2 has one of its own."""
    plain = shape.kind != "gemma2" and not (shape.kind[:6] == "gemma3" and batch.reach > _WINDOW)
    return gpu and plain and shape.head_dim in _FUSED_HEADS


def attention_backward(shape: Shape, batch: MicroBatch, fit: Fit, *, gpu: bool) -> int:
    """Bytes that the backward pass of a layer's attention has for a moment, by its scores.

    Behind a prefix each row has a gradient by its own copy of the keys and values there.
    """
    size, computed = (2 if shape.half else 4), scores(shape, batch, gpu=gpu)
    keys = 2 * shape.kv_heads * shape.head_dim
    copies = bool(batch.prefix) * batch.rows * batch.reach * keys
    if not fused(shape, batch, gpu=gpu):
        return int(fit.back_scores * computed * size) + _KEYS_AT_ONCE * copies * size
    gradients = (batch.tokens * (shape.heads * shape.head_dim + keys) + copies) * 4
    return _FUSED_SCORES * computed * size + gradients


def saved(
    shape: Shape, profile: Profile, batch: MicroBatch, *, gpu: bool, lowest: bool = False
) -> int:
    """Bytes that the gradient of one trained layer needs, counted from the graph of mlx_lm's Llama.

    Two residual streams, queries, keys, values, softmax(scores), four arrays of the gated ffn; and
    the input of each linear layer with an adapter. Adapters are float32, so each of them keeps a
    float32 copy of its input in a 16-bit model; with dropout each keeps its own, and a mask.
    gpu: fused attention keeps its output and a number a row in place of the scores, and norms keep
    what they are given; on the CPU norms compute in float32 and keep that.
    lowest: of the lowest trained layer, whose gradient goes no further than its first adapter.
    """
    size, n = (2 if shape.half else 4), batch.tokens
    keys = adapter.keys(profile, shape.linear)
    full = profile.train.fine_tune_type == "full"
    stage = min((_stage(key) for key in keys), default=3) if lowest and not full else -1
    norm = n * shape.hidden * (size if gpu else 4)
    query, key = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    total = 0
    if stage < 0:
        total += norm  # of the residual stream that enters
    if stage < 1:
        total += n * (query + 2 * key) * size
        # behind a prefix each row has its keys and values once more
        total += bool(batch.prefix) * batch.rows * batch.reach * 2 * key * size
        if fused(shape, batch, gpu=gpu):
            total += n * query * size + n * shape.heads * 4
        else:
            total += scores(shape, batch, gpu=gpu) * size
    if stage < 2:
        total += norm  # of the one that enters the ffn
    if stage < 3:
        total += 4 * n * shape.ffn * size
    dropout = profile.lora.dropout > 0
    own_copies = dropout or (shape.half and not full)
    counted = set()
    for name in keys:
        group = next((g for g in _READERS if _last(name) in g), (name,))
        if own_copies or group not in counted:
            counted.add(group)
            total += n * shape.linear[name][0] * (5 if dropout else 4)
        if not full:
            total += n * profile.lora.rank * 4
    return total


def chunks_at_once(chunks: int, fit: Fit) -> float:
    """How many arrays as large as a chunk's logits are there at once, of so many chunks.

    A backend runs ahead: when it computes a chunk, arrays of the next two are there already.
    """
    return (fit.head_one, fit.head_two, fit.head_three, fit.head_more)[min(chunks, 4) - 1]


def frozen_bytes(shape: Shape, batch: MicroBatch, fit: Fit, *, gpu: bool) -> int:
    """Bytes that computing a layer without its gradient takes for a moment."""
    size = 2 if shape.half else 4
    hidden, ffn = batch.tokens * shape.hidden * size, batch.tokens * shape.ffn * size
    attention = 0 if fused(shape, batch, gpu=gpu) else scores(shape, batch, gpu=gpu) * size
    return int(fit.frozen_hidden * hidden + fit.frozen_ffn * ffn + fit.frozen_scores * attention)


def pass_bytes(shape: Shape, layers: int, batch: MicroBatch, fit: Fit, *, gpu: bool) -> int:
    """Bytes that a pass over so many frozen layers has beside them, to store what comes out.

    Behind a prefix the keys and values of all rows stay until the last layer is through.
    """
    size = 2 if shape.half else 4
    keys = layers * 2 * shape.kv_heads * shape.head_dim * batch.rows * batch.reach * size
    return frozen_bytes(shape, batch, fit, gpu=gpu) + bool(batch.prefix) * keys


def _stage(key: str) -> int:
    """Where in a layer a linear layer stands: attention, its output, the ffn, its output."""
    return _STAGES.get(_last(key), 0)


_STAGES = {"o_proj": 1, "gate_proj": 2, "up_proj": 2, "gate_up_proj": 2, "down_proj": 3}


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def step_parts(
    shape: Shape, profile: Profile, batch: MicroBatch, *, cached: bool, gpu: bool,
    micro_batches: int = 1, fit: Fit | None = None,
) -> Parts:  # fmt: skip
    """Peak of a training step on this micro-batch, the largest of the step.

    cached: the layers below the trained ones are neither there nor computed. The peak is reached
    in one of four places: a frozen layer, the head, the backward pass of the top layer, the update.
    """
    fit = fit or fit_of(profile, gpu=gpu)
    layers, size = trained_layers(shape, profile), (2 if shape.half else 4)
    weights = shape.outer_bytes + sum(shape.layer_bytes[shape.layers - layers :])
    if not cached:
        weights = shape.bytes
    full = profile.train.fine_tune_type == "full"
    made = shape.trained(profile)
    own = made.bytes
    hidden, ffn = batch.tokens * shape.hidden * size, batch.tokens * shape.ffn * size
    layer = saved(shape, profile, batch, gpu=gpu)
    # of a prefix the last layer computes keys and values alone
    last = saved(shape, profile, replace(batch, prefix=0), gpu=gpu)
    whole = layer * (layers - 1) + last
    kept, again = (hidden * layers, layer) if profile.train.grad_checkpoint else (whole, 0)
    chunk = chunk_of(batch.labels, shape.vocabulary)
    if adapter.beside_layers(profile, [*shape.linear, *shape.experts], shape.beside):
        chunk = max(1, batch.labels)  # model/loss.py: all at once
    chunks = -(-batch.labels // chunk)
    logits = int(chunks_at_once(chunks, fit) * chunk * shape.vocabulary * 4)
    earlier = own * (micro_batches > 1)
    if batch.passes != 1:  # what the prefix has left, and the gradient by that, in float32
        earlier += batch.prefix * 2 * shape.kv_heads * shape.head_dim * (size + 4) * layers
    back = fit.back_hidden * hidden + fit.back_ffn * ffn
    if layers > 1 or any(_stage(key) == 0 for key in adapter.keys(profile, shape.linear)) or full:
        back += attention_backward(shape, batch, fit, gpu=gpu)
    frozen = frozen_bytes(shape, batch, fit, gpu=gpu)
    places = [
        ((kept if profile.train.grad_checkpoint else 0) + frozen, 0, earlier),
        (kept + fit.head_hidden * hidden, logits, earlier),
        (kept + again + back, 0, fit.gradient * own + earlier),
        (0, 0, fit.update * own),
    ]
    activations, of_logits, other = max(places, key=sum)
    return Parts(
        weights=weights,
        adapter=0 if full else own,
        optimizer=made.optimizer,
        activations=int(activations),
        logits=int(of_logits),
        other=int(other),
    )
