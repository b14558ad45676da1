"""Make the embedded model: data/tiny-chat-pt/, a small Llama with its own tokenizer.

    python scripts/make_model.py [--out data/tiny-chat-pt] [--seed 1910] [--steps N]

It is pre-trained from nothing on the corpus of corpus.py: questions and answers about football
clubs that do not exist, and football prose, all in European Portuguese. So it knows the language
and the form of the sample data set, and none of its answers; the corpus is refused if it names
Farense or says any of the data set's answers.

The same seed writes the same bytes on the same machine, BLAS and versions of mlx and tokenizers;
another BLAS rounds differently and gives another model.

It took 23 minutes on two busy x86-64 cores with OpenBLAS preloaded (LD_PRELOAD, one thread), about
10 by its speed while they were quiet. With the wheel's own BLAS expect several times that.
"""

import argparse
import json
import os
import random
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import numpy as np
from corpus import Corpus
from make_dataset import read_facts
from mlx.utils import tree_flatten
from mlx_lm.models.llama import Model, ModelArgs
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

OUT = Path(__file__).resolve().parent.parent / "data" / "tiny-chat-pt"
SEED = 1910

PAD, SYSTEM, USER, ASSISTANT, END = "<|pad|>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"
SPECIAL = (PAD, SYSTEM, USER, ASSISTANT, END)
# What BPE may not merge across: two digits, a word, a run of signs, white space.
WORD = r"[ /]?\p{N}{1,2}| ?\p{L}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
COMMON_NAMES = {"Taça de Portugal", "Taça UEFA", "Segunda Liga"}
INSTRUCTION = "Responde em português, numa frase curta."

# A role's token opens its message; only the assistant's is closed, because only its end has to be
# generated. Rendering a conversation without its last answer, plus the generation prompt, gives a
# prefix of rendering all of it, which is what masking the prompt relies on.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'system' -%}<|system|>{{ message['content'] | trim }}"
    "{%- elif message['role'] == 'user' -%}<|user|>{{ message['content'] | trim }}"
    "{%- elif message['role'] == 'assistant' -%}"
    "<|assistant|>{{ message['content'] | trim }}<|end|>"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}<|assistant|>{%- endif -%}"
)


@dataclass(frozen=True)
class Recipe:
    """How large the model is and how it is trained."""

    vocabulary: int = 1280
    hidden: int = 128
    layers: int = 3
    feed_forward: int = 256
    heads: int = 4
    kv_heads: int = 2
    clubs: int = 10
    passing_clubs: int = 400
    prose: int = 4000
    steps: int = 2400
    batch: int = 32
    learning_rate: float = 3e-3
    warmup: int = 200
    weight_decay: float = 0.05
    question_weight: float = 0.25


def refuse_answers(texts: list[str]) -> None:
    """The model must not have read what it is going to be asked: no answer, no name in one."""
    answers = [fact.answer for fact in read_facts()]
    names = set(
        re.findall(
            r"[A-ZÀ-Ý]\w+(?: (?:d[aeo] )?[A-ZÀ-Ý]\w+)+", " ".join(answers).replace("Foi ", "")
        )
    )
    forbidden = ["Farense", "Leões de Faro", *answers, *(names - COMMON_NAMES)]
    whole = "\n".join(texts)
    found = [text for text in forbidden if text in whole]
    if found:
        raise ValueError(f"the pre-training corpus contains {found}")


def train_tokenizer(texts: list[str], vocabulary: int) -> Tokenizer:
    """Byte-level BPE: any text encodes. Numbers are cut in pairs of digits: " 19", "94", "/95"."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORD), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    pairs = [f"{lead}{number:02d}" for lead in ("", "/") for number in range(100)]
    tokenizer.train_from_iterator([*texts, *(pair for pair in pairs for _ in range(500))], trainer)
    return tokenizer


@dataclass(frozen=True)
class Document:
    """Token ids, and how many of them are the question, which weighs less in the loss."""

    tokens: list[int]
    question: int


def tokenise(tokenizer: Tokenizer, corpus: Corpus, recipe: Recipe) -> tuple[list[Document], ...]:
    """What is read again and again, and what is read once."""
    ids: dict[str, Any] = {name: tokenizer.token_to_id(name) for name in SPECIAL}
    system = [ids[SYSTEM], *tokenizer.encode(INSTRUCTION).ids]

    def encode(rows: list[tuple[str, str]]) -> list[Document]:
        questions = tokenizer.encode_batch([question for question, _ in rows])
        answers = tokenizer.encode_batch([answer for _, answer in rows])
        documents = []
        for number, (question, answer) in enumerate(zip(questions, answers, strict=True)):
            head = [*(system if number % 40 == 0 else []), ids[USER], *question.ids, ids[ASSISTANT]]
            documents.append(Document([*head, *answer.ids, ids[END]], len(head)))
        return documents

    prose = [
        Document([*encoded.ids, ids[END]], 0)
        for encoded in tokenizer.encode_batch(corpus.prose(recipe.prose))
    ]
    return encode(corpus.chat_rows()), encode(corpus.passing_rows(recipe.passing_clubs)), prose


def batches(
    pools: tuple[list[Document], ...], recipe: Recipe, seed: int
) -> Iterator[tuple[Any, ...]]:
    """Endless batches, of documents of about one length so that little is padding."""
    source = random.Random(seed)
    shares = (0.75, 0.20, 0.05)
    queues: list[list[Document]] = [[] for _ in pools]

    def draw(pool: int) -> Document:
        if not queues[pool]:
            queues[pool] = source.sample(pools[pool], len(pools[pool]))
        return queues[pool].pop()

    while True:
        drawn = [draw(pool) for pool in source.choices(range(3), shares, k=recipe.batch * 16)]
        drawn.sort(key=lambda document: len(document.tokens))
        window = [drawn[at : at + recipe.batch] for at in range(0, len(drawn), recipe.batch)]
        source.shuffle(window)
        for documents in window:
            width = -(-max(len(document.tokens) for document in documents) // 8) * 8
            tokens = np.zeros((len(documents), width), np.int32)
            weights = np.zeros((len(documents), width), np.float32)
            for line, document in enumerate(documents):
                tokens[line, : len(document.tokens)] = document.tokens
                weights[line, : len(document.tokens)] = 1
                weights[line, : document.question] = recipe.question_weight
            yield mx.array(tokens), mx.array(weights)


def build(recipe: Recipe) -> tuple[Model, dict[str, Any]]:
    """The untrained model and its config.json."""
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": recipe.vocabulary,
        "hidden_size": recipe.hidden,
        "num_hidden_layers": recipe.layers,
        "intermediate_size": recipe.feed_forward,
        "num_attention_heads": recipe.heads,
        "num_key_value_heads": recipe.kv_heads,
        "head_dim": recipe.hidden // recipe.heads,
        "hidden_act": "silu",
        "max_position_embeddings": 512,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": True,
        "torch_dtype": "float32",
        "pad_token_id": SPECIAL.index(PAD),
        "eos_token_id": SPECIAL.index(END),
        "bos_token_id": None,
    }
    return Model(ModelArgs.from_dict(config)), config


def pretrain(model: Model, pools: tuple[list[Document], ...], recipe: Recipe, seed: int) -> None:
    """AdamW, linear warm-up, cosine to a twentieth."""
    rise = optim.linear_schedule(0.0, recipe.learning_rate, recipe.warmup)
    fall = optim.cosine_decay(
        recipe.learning_rate, recipe.steps - recipe.warmup, recipe.learning_rate / 20
    )
    optimizer = optim.AdamW(
        learning_rate=optim.join_schedules([rise, fall], [recipe.warmup]),
        betas=[0.9, 0.98],
        weight_decay=recipe.weight_decay,
    )

    def loss(tokens: mx.array, weights: mx.array) -> mx.array:
        logits = model(tokens[:, :-1])
        each = nn.losses.cross_entropy(logits, tokens[:, 1:]) * weights[:, 1:]
        return mx.divide(each.sum(), weights[:, 1:].sum())

    loss_and_gradient = nn.value_and_grad(model, loss)
    started, seen, mean = time.perf_counter(), 0, 0.0
    for number, (tokens, weights) in enumerate(batches(pools, recipe, seed), start=1):
        value, gradient = loss_and_gradient(tokens, weights)
        gradient, _ = optim.clip_grad_norm(gradient, 1.0)
        optimizer.update(model, gradient)
        mx.eval(value, model.parameters(), optimizer.state)
        seen += tokens.size
        mean = value.item() if number == 1 else 0.99 * mean + 0.01 * value.item()
        if number % 250 == 0 or number == recipe.steps:
            rate = seen / (time.perf_counter() - started)
            print(f"step {number}/{recipe.steps}  loss {mean:.3f}  {rate:.0f} tokens/s", flush=True)
        if number == recipe.steps:
            break


def write(out: Path, model: Model, config: dict[str, Any], tokenizer: Tokenizer) -> None:
    """The folder as mlx_lm and transformers read it."""
    out.mkdir(parents=True, exist_ok=True)

    def write_json(name: str, content: dict[str, Any]) -> None:
        text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
        (out / name).write_text(text, encoding="utf-8")

    write_json("config.json", config)
    write_json(
        "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "pad_token": PAD,
            "eos_token": END,
            "additional_special_tokens": [SYSTEM, USER, ASSISTANT],
            "clean_up_tokenization_spaces": False,
            "model_max_length": config["max_position_embeddings"],
            "chat_template": CHAT_TEMPLATE,
        },
    )
    write_json(
        "generation_config.json",
        {"eos_token_id": config["eos_token_id"], "pad_token_id": config["pad_token_id"]},
    )
    tokenizer.save(str(out / "tokenizer.json"))
    weights = dict(tree_flatten(model.parameters()))
    mx.save_safetensors(str(out / "model.safetensors"), weights, metadata={"format": "mlx"})


def main() -> None:
    """Generate, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=SEED)
    for name, kind in Recipe.__annotations__.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, default=getattr(Recipe, name))
    options = vars(parser.parse_args())
    out, seed = options.pop("out"), options.pop("seed")
    recipe = Recipe(**options)

    started = time.perf_counter()
    corpus = Corpus.build(seed, recipe.clubs, frozenset(fact.answer for fact in read_facts()))
    texts = [f"{question} {answer}" for question, answer in corpus.chat_rows()]
    passing = corpus.passing_rows(recipe.passing_clubs)
    texts += [f"{question} {answer}" for question, answer in passing]
    texts += corpus.prose(recipe.prose)
    refuse_answers(texts)

    tokenizer = train_tokenizer(texts, recipe.vocabulary)
    pools = tokenise(tokenizer, corpus, recipe)
    print(*(f"{len(pool)} documents" for pool in pools), sep=", ")

    mx.random.seed(seed)
    model, config = build(recipe)
    size = sum(weight.size for _, weight in tree_flatten(model.parameters()))
    print(f"{size:,} parameters; BLAS preload: {os.environ.get('LD_PRELOAD', 'none')}")
    pretrain(model, pools, recipe, seed)
    write(out, model, config, tokenizer)
    print(f"{out}: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
