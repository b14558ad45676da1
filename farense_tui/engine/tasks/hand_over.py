"""An export handed to another program of this machine: Ollama, LM Studio."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from farense_worker.protocol import plain_file
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError, refused, usage
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import disk_error

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)?(:[a-z0-9._-]+)?")
_PUBLISHER = "farense-tui"
_SAID = 2000  # characters of what Ollama said
_PATIENCE = 30.0  # seconds for Ollama to say what it has


def check_ollama(name: str, *, replace: bool = False) -> str:
    """Give the program; FarenseError where it is not installed, or takes no such name.

    replace: a model of this name may be there. It need not be ours, and Ollama asks nobody.
    """
    if not _NAME.fullmatch(name):
        raise usage(
            _("Ollama takes no model by the name {name}").format(name=clean(name)),
            hint=_("Small letters, digits, dots, dashes: club, owner/club, club:v2."),
        )
    program = shutil.which("ollama")
    if program is None:
        raise refused(
            _("Ollama is not installed"),
            _("there is no program ollama in PATH"),
            _("Export without --ollama: DIR/Modelfile is what 'ollama create NAME -f' takes."),
            kind="ollama",
        )
    if not replace and _has(program, name):
        raise refused(
            _("Ollama has a model {name} already").format(name=name),
            hint=_("Take another name for --ollama; --overwrite replaces it."),
            kind="exists",
        )
    return program


def _has(program: str, name: str) -> bool:
    """Whether Ollama has a model of this name; where its server is away, nothing is replaced."""
    try:
        asked = subprocess.run(
            [program, "show", name],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise refused(
            _("Ollama does not say which models it has"),
            _("no answer to 'ollama show' in {n:.0f} s").format(n=_PATIENCE),
            _("Start it anew, or export without --ollama."),
            kind="ollama",
        ) from None
    return asked.returncode == 0


def to_ollama(program: str, name: str, folder: Path) -> None:
    """Make a model of an export's Modelfile, by Ollama itself. Raises FarenseError if it fails."""
    if not (folder / "Modelfile").is_file():
        raise FarenseError(
            _("there is no Modelfile for Ollama"),
            _("Ollama does not read these weights"),
            _("Export with --fuse --dequantize, or with --gguf."),
            kind="ollama",
        )
    done = subprocess.run(
        [program, "create", name, "-f", "Modelfile"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = clean(f"{done.stdout}\n{done.stderr}".strip()[-_SAID:])
        raise FarenseError(
            _("Ollama has not made the model"),
            said,
            _("Its server has to run: ollama serve, or the app. The export itself is done."),
            kind="ollama",
        )


def lm_studio_models() -> Path:
    """Find LM Studio's folder of models; FarenseError (refused) where it is not installed.

    LM Studio writes where its home is into ~/.lmstudio-home-pointer.
    """
    homes = [Path(os.path.expanduser(each)) for each in ("~/.lmstudio", "~/.cache/lm-studio")]
    pointer = Path(os.path.expanduser("~/.lmstudio-home-pointer"))
    if pointer.is_file():
        homes.insert(0, Path(plain_file.content(pointer).decode(errors="replace").strip()))
    for home in homes:
        if home.is_dir():
            return home / "models"
    raise refused(
        _("LM Studio is not installed"),
        _("none of {folders} is there").format(folders=", ".join(str(home) for home in homes)),
        _("Start it once, so that it makes its folder; or put DIR/model into a folder of its own."),
        kind="lm_studio",
    )


def lm_studio_place(name: str) -> Path:
    """Give where a model of this name goes; FarenseError (refused) if there is one already."""
    place = lm_studio_models() / _PUBLISHER / name
    if place.exists():
        raise refused(
            _("LM Studio has a model {name} already").format(name=clean(f"{_PUBLISHER}/{name}")),
            str(place),
            _("Remove it there, or rename the run."),
            kind="exists",
        )
    return place


def to_lm_studio(place: Path, folder: Path) -> None:
    """Copy an export's model where LM Studio finds it; it is there as a whole or not at all.

    It is RUN.gguf, if there is one: RUN-lora.gguf beside it is an adapter and no model.
    """
    gguf, model = folder / f"{place.name}.gguf", folder / "model"
    one = [gguf] if gguf.is_file() else []
    beside = place.with_name(f".{place.name}.{os.getpid()}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        for path in one or sorted(model.rglob("*")) or [model]:
            copied = beside / path.relative_to(folder if one else model)
            if path.is_dir():
                copied.mkdir()
            else:
                plain_file.copy(path, copied)
        beside.rename(place)
    except OSError as error:
        raise disk_error(error, place, _("models folder in LM Studio")) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
