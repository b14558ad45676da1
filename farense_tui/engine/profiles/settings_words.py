"""The settings in the user's words: a name, the unit of the figure, and what it does, in sentences.

`--set` and the files take `section.key`; what is written there stays in sight beside these.
"""

from __future__ import annotations

from typing import NamedTuple

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import pgettext


class Words(NamedTuple):
    """unit: of the figure that is typed, "" where there is none."""

    title: str
    help: str
    unit: str = ""


GROUPS = {
    "run": _("The run"),
    "model": _("The model"),
    "data": _("The data"),
    "train": _("The training"),
    "lora": _("The adapter"),
    "checkpoint": _("What is kept"),
    "report": _("What is told on the way"),
    "memory": _("Memory and disk"),
    "profile": _("This profile"),
}

# What decides how a training turns out, in the order in which one thinks of it.
ESSENTIAL = (
    "model.repo",
    "data.path",
    "train.epochs",
    "train.learning_rate",
    "lora.rank",
    "train.max_seq_length",
)

_STEPS, _ROWS, _TOKENS = _("steps"), _("rows"), _("tokens")

WORDS: dict[str, Words] = {
    "run.name": Words(
        _("Name"), _("The run and its folder are called so. Left empty, it takes the next number.")
    ),
    "model.repo": Words(
        _("Model"),
        _(
            "What is trained: a repository on Hugging Face (owner/name), a folder on this machine, "
            "or embedded, the small model that comes with the app. m lists those that fit."
        ),
    ),
    "model.fallback": Words(
        _("Smaller model"), _("It is offered beside the model, for when there is too little room.")
    ),
    "model.revision": Words(
        _("Version of the model"),
        _("A branch, a tag or a commit of its repository. Left empty, it is the newest."),
    ),
    "model.dtype": Words(
        _("Number format"),
        _(
            "What it computes in. auto takes float32 on a CPU, float16 on an M1 or M2, which have "
            "no bfloat16, and else what the model comes in."
        ),
    ),
    "model.trust_remote_code": Words(
        _("Run the model's code"),
        _(
            "Some models bring Python code with them, which can do whatever you can. It is not run "
            "unless this is on."
        ),
    ),
    "model.adapter": Words(
        _("Start from adapter"),
        _("A folder with an adapter, ours or mlx_lm's, that the training goes on from."),
    ),
    "data.path": Words(
        _("Data"),
        _(
            "A folder with train.jsonl, one example a line, and perhaps valid.jsonl and "
            "test.jsonl; or embedded, the sample data that comes with the app. Drop or paste it."
        ),
    ),
    "data.valid_fraction": Words(
        _("Held out"),
        _(
            "The share of train.jsonl that is not trained on but used to validate, where there is "
            "no valid.jsonl: 0.1 is a tenth."
        ),
        _("of the rows"),
    ),
    "data.skip": Words(
        _("Leave out bad rows"),
        _(
            "Rows that cannot be trained on are left out however many they are. Otherwise a run "
            "with more than a tenth of them does not start."
        ),
    ),
    "data.keep_mb": Words(
        _("Keep a copy"),
        _(
            "A data set of up to this size is copied into the run folder, where only you may look: "
            "the run can be resumed and measured when the data has moved or changed, or on another "
            "Mac. 0 keeps none."
        ),
        "MB",
    ),
    "data.append_end": Words(
        _("End each answer"),
        _(
            "Where the model's template writes no end after an answer, one is put there to be "
            "learnt, or the model would not know when to stop."
        ),
    ),
    "data.prompt_feature": Words(
        _("Key of questions"), _("Under this key a row of your file holds the question.")
    ),
    "data.completion_feature": Words(
        _("Key of answers"), _("Under this key a row of your file holds the answer.")
    ),
    "data.chat_feature": Words(
        _("Key of conversations"), _("Under this key a row of your file holds a conversation.")
    ),
    "data.text_feature": Words(
        _("Key of plain text"), _("Under this key a row of your file holds text without roles.")
    ),
    "train.batch_size": Words(
        _("Rows at once"),
        _(
            "This many rows go through the model together, if they fit. More is faster and takes "
            "more memory. Times the setting below it is what one step learns from."
        ),
        _ROWS,
    ),
    "train.grad_accumulation": Words(
        _("Times a step"),
        _(
            "This many batches are added up before the weights change: a larger step without more "
            "memory."
        ),
    ),
    "train.max_seq_length": Words(
        _("Longest row"),
        _(
            "Rows with more tokens than this are cut off at the end. Longer ones take more memory "
            "and time; set it to the longest row that you need whole."
        ),
        _TOKENS,
    ),
    "train.fine_tune_type": Words(
        _("Kind of training"),
        _(
            "lora adds a small adapter, dora the same with a magnitude for each row of weights, "
            "full changes the weights of the layers themselves."
        ),
    ),
    "train.modules": Words(
        _("Also trained"),
        _(
            "With full: what is trained beside the layers, such as embed_tokens, norm or lm_head, "
            "separated by spaces."
        ),
    ),
    "train.optimizer": Words(
        _("Optimizer"),
        _(
            "How gradients become changes. adam is right for nearly all; adamw adds weight decay, "
            "as much as is set for it."
        ),
    ),
    "train.weight_decay": Words(
        _("Weight decay"),
        _(
            "Pulls the weights towards zero at each step. adam does without it. With adamw "
            "mlx_lm takes 0.01 unasked; here it is what is set."
        ),
    ),
    "train.learning_rate": Words(
        _("Learning rate"),
        _(
            "How far a step goes. Too high and the loss jumps or turns NaN, too low and nothing is "
            "learnt. 1e-4 to 4e-4 suits adapters of models of 1 to 14 billion weights."
        ),
    ),
    "train.warmup_steps": Words(
        _("Warm-up"),
        _("In the first steps the rate grows from 0, so that none goes astray."),
        _STEPS,
    ),
    "train.warmup_cap": Words(
        _("Warm-up at most"),
        _("In a short run the warm-up takes no more than this share of all steps. 0: no limit."),
    ),
    "train.schedule": Words(
        _("Rate over time"),
        _("After the warm-up the rate stays constant, or falls in a line or in half a wave."),
    ),
    "train.final_learning_rate": Words(_("Rate at the end"), _("Where a rate that falls ends.")),
    "train.max_grad_norm": Words(
        _("Longest gradient"),
        _("Longer ones are scaled down to it, which tames odd rows. 0: never."),
    ),
    "train.epochs": Words(
        _("Epochs"),
        _(
            "How often the training goes through all rows. 2 to 4 is usual; with few rows more are "
            "soon learnt by heart, which the validation shows."
        ),
        pgettext("epochs", "times through all rows"),
    ),
    "train.seed": Words(
        _("Seed"), _("The order of the rows and all chance follow from it: the same, the same run.")
    ),
    "train.mask_prompt": Words(
        _("Answers only"),
        _("Only what the assistant says is learnt, not the questions. Off: every token is."),
    ),
    "train.answers": Words(
        _("Which answers"), _("In a conversation all answers are learnt, or only the last one.")
    ),
    "train.grad_checkpoint": Words(
        _("Save memory"),
        _(
            "Much of each step is computed twice instead of being kept: less memory, about a third "
            "more time (gradient checkpoints)."
        ),
    ),
    "train.trunk_cache": Words(
        _("Keep lower layers"),
        _(
            "What the layers below the trained ones give is computed once, not in every epoch, and "
            "kept on the disk. auto does so where it can."
        ),
    ),
    "train.shared_prefix": Words(
        _("Shared beginnings"),
        _(
            "What rows begin with alike, such as a system prompt, is computed once for all of "
            "them. auto does so where it saves time and changes nothing."
        ),
    ),
    "train.early_stopping": Words(
        _("Stop early"),
        _("After so many validations without a better one the run ends. 0: it goes on to the end."),
        _("validations"),
    ),
    "train.rollbacks": Words(
        _("Go back after NaN"),
        _(
            "A run that gave NaN goes back to a good step and tries with half the rate, this "
            "many times."
        ),
        _("times"),
    ),
    "train.compile": Words(
        _("Compile"), _("Puts the operations of a step together. auto: on a GPU, not on a CPU.")
    ),
    "lora.rank": Words(
        _("Adapter's rank"),
        _(
            "How much the adapter can hold. 8 is enough for a tone or a format, 16 to 64 for "
            "facts. More takes more memory and overfits sooner."
        ),
    ),
    "lora.scale": Words(
        _("Adapter's strength"),
        _("What the adapter adds is multiplied by it. Changing it is like changing the rate."),
    ),
    "lora.dropout": Words(
        _("Dropout"), _("This share of its input is left out by chance, against overfitting.")
    ),
    "lora.num_layers": Words(
        _("Trained layers"),
        _(
            "This many layers, from the top, get an adapter; -1 for all. Fewer are faster and "
            "smaller."
        ),
        _("layers"),
    ),
    "lora.keys": Words(
        _("Trained modules"),
        _(
            "Which parts of a layer get an adapter, by name or its end: q_proj, gate_proj, an "
            "expert's or a router's, lm_head; all-linear for every one."
        ),
    ),
    "checkpoint.every": Words(
        _("Save every"),
        _("Every so many steps all is saved, so that a run can be continued."),
        _STEPS,
    ),
    "checkpoint.at_least": Words(
        _("Saves at least"),
        _("In a short run it is saved at least this often, whatever stands above. 0: as above."),
        pgettext("saves", "times"),
    ),
    "checkpoint.minutes": Words(
        _("Save after"),
        _("The longest that a run goes on without being saved. 0: as long as it takes."),
        pgettext("saves", "minutes"),
    ),
    "checkpoint.keep": Words(
        _("Checkpoints kept"), _("The newest ones stay on the disk, and the best one always.")
    ),
    "report.eval_every": Words(
        _("Validate every"),
        _("Every so many steps the loss on rows that are not trained on is measured."),
        _STEPS,
    ),
    "report.eval_at_least": Words(
        _("Validates at least"),
        _(
            "In a short run it is validated at least this often, whatever stands above. 0: as "
            "above."
        ),
        pgettext("validations", "times"),
    ),
    "report.log_every": Words(
        _("Log every"), _("The log gets a line every so many steps."), _STEPS
    ),
    "report.prompts": Words(
        _("Questions of yours"),
        _("They are asked at each validation, so that you read how the answers change."),
    ),
    "report.questions": Words(
        _("Questions from data"),
        _(
            "Where there are none of yours, this many are taken from the data: from "
            "test.jsonl, else "
            "valid.jsonl, else train.jsonl."
        ),
    ),
    "report.sample_tokens": Words(
        _("Longest answer"), _("The answers at validations end after so many tokens."), _TOKENS
    ),
    "report.at_end": Words(
        _("Report at the end"), _("report.html and pictures of the curves are written at the end.")
    ),
    "report.trackers": Words(
        _("Trackers"), _("What else is written while it trains: tensorboard, wandb (offline).")
    ),
    "memory.cache_limit_gb": Words(
        _("Cache of MLX"), _("MLX keeps this much freed memory to use it again. 0: none."), "GB"
    ),
    "memory.wired_limit_gb": Words(
        _("Pinned memory"),
        _("MLX keeps this much from being swapped out. 0 leaves it to macOS, which is safer."),
        "GB",
    ),
    "memory.limit_gb": Words(
        _("Memory for the run"),
        _("The run keeps below it. 0: what the machine allows."),
        "GB",
    ),
    "memory.trunk_cache_gb": Words(
        _("Disk for layers"), _("The kept lower layers may take this much of the disk."), "GB"
    ),
    "memory.warning": Words(
        _("Warn at"), _("From this share of the memory on there is a warning: 0.8 is 80%.")
    ),
    "memory.critical": Words(
        _("Act at"),
        _("From this share on it works in smaller pieces, and in the end saves and stops."),
    ),
    "memory.keep_free_gb": Words(
        _("Leave free"),
        _("With less free on the machine it works in smaller pieces, or saves and stops."),
        "GB",
    ),
    "profile.title": Words(_("Title"), _("The name on the profile's card.")),
    "profile.description": Words(_("Description"), _("The line under it.")),
    "profile.memory_gb": Words(
        _("For machines with"), _("The memory that it is made for. 0: any machine."), "GB"
    ),
}


def words(name: str) -> Words:
    """Of `section.key`; of a setting that has none here its name."""
    return WORDS.get(name) or Words(name, "")
