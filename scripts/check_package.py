"""Build the package, install it into an empty place, and use it there.

    python scripts/check_package.py     exit code 1 if something fails, 75 without a package index

The wheel is built twice, from the sources and from the sdist. Both must hold the same files, so
what is installed stands for either. It is installed with all that it needs (constraints.txt) into
a fresh environment, and used from a folder in which there is nothing: no checkout, no home.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from farense_tui import __version__

ROOT = Path(__file__).resolve().parent.parent
UV = shutil.which("uv")
NO_INDEX = os.EX_TEMPFAIL
LEFT_OUT = (".*", "__pycache__", "*.mo", "checkpoints", "site", "dist")
ROWS = 48  # of the sample data: three steps of the demo


def main() -> int:
    """Check all of it; the exit code."""
    with tempfile.TemporaryDirectory(prefix="farense-package-") as folder:
        here = Path(folder)
        try:
            venv = environment(here / "venv")
            if trouble := unanswered(here, venv):
                print("the package index cannot be reached:", trouble, file=sys.stderr)
                return NO_INDEX
            wheel = built(here)
            step("install", pip(venv, "install", "-c", ROOT / "constraints.txt", wheel))
            used(venv, here / "empty")
        except subprocess.CalledProcessError as error:
            print(f"{' '.join(map(str, error.cmd))}: {error.returncode}", file=sys.stderr)
            print(error.stdout, error.stderr, sep="\n", file=sys.stderr)
            return 1
    return 0


# ---- a place ---------------------------------------------------------------------------------


def environment(venv: Path) -> Path:
    """Make a fresh environment; its folder."""
    made = (
        [UV, "venv", "--quiet", "--python", sys.executable]
        if UV
        else [sys.executable, "-m", "venv"]
    )
    step("environment", [*made, venv])
    return venv


def pip(venv: Path, verb: str, *words: str | Path) -> list[str | Path]:
    """A command of an environment's pip, or of uv's for it."""
    if UV:
        return [UV, "pip", verb, "--quiet", "--python", venv, *words]
    return [venv / "bin" / "python", "-m", "pip", verb, "--quiet", *words]


def unanswered(here: Path, venv: Path) -> str:
    """Ask the index for the builder, past every cache; what goes wrong, if anything."""
    (here / "wanted.txt").write_text("hatchling\n")
    asked = ("compile", "wanted.txt") if UV else ("download", "hatchling")
    command = pip(venv, *asked, "--no-deps", "--no-cache-dir")
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=here)
    return done.stderr.strip() if done.returncode else ""


# ---- build -----------------------------------------------------------------------------------


def built(here: Path) -> Path:
    """Build a wheel from the sources and one from the sdist, and compare them; the path of one.

    In a copy: a build compiles the translations, and others may be reading them.
    """
    sources = here / "sources"
    copy(sources)
    builder = [UV, "build"] if UV else [sys.executable, "-m", "build"]
    step("wheel from the sources", [*builder, "--wheel", "-o", here / "direct", sources])
    step("sdist, and the wheel from it", [*builder, "-o", here / "dist", sources])
    direct, wheel = (next((here / name).glob("*.whl")) for name in ("direct", "dist"))
    one, other = contents(direct), contents(wheel)
    for name in sorted(one.keys() | other.keys()):
        if one.get(name) != other.get(name):
            raise SystemExit(f"{name} is not the same in the wheel from the sdist")
    print(f"  {len(one)} files, {wheel.stat().st_size / 2**20:.1f} MiB, the same in both")
    return wheel


def copy(to: Path) -> None:
    """Copy the sources: what git knows or would take; all there is where there is no git."""
    asked = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        known = subprocess.run(asked, capture_output=True, text=True, check=False, cwd=ROOT)
    except FileNotFoundError:  # git itself is not there
        known = None
    if known is None or known.returncode:
        shutil.copytree(ROOT, to, ignore=shutil.ignore_patterns(*LEFT_OUT))
        return
    for name in filter(None, known.stdout.split("\0")):
        if (ROOT / name).is_file():  # and not deleted since
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, to / name)


def contents(wheel: Path) -> dict[str, int]:
    """The files of a wheel, with their checksums. Not its RECORD, which lists them in any order."""
    with zipfile.ZipFile(wheel) as file:
        files = {each.filename: each.CRC for each in file.infolist()}
    return {name: checksum for name, checksum in files.items() if not name.endswith("/RECORD")}


# ---- use -------------------------------------------------------------------------------------


def used(venv: Path, empty: Path) -> None:
    """Use what was installed, from an empty folder that is also its home."""
    empty.mkdir()
    own = {name: os.environ[name] for name in ("TMPDIR", "LANG") if name in os.environ}
    env = {
        **own,
        "PATH": f"{venv / 'bin'}:/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": str(empty),
        "FARENSE_LANG": "en",
    }

    def farense(*words: str | Path) -> str:
        return step(f"farense-tui {words[0]}", ["farense-tui", *words], cwd=empty, env=env)

    asked = ["python", "-c", "import farense_tui, farense_worker; print(farense_tui.__file__)"]
    expect(str(venv) in step("import", asked, cwd=empty, env=env), "another copy is imported")
    expect(farense("--version") == f"farense-tui {__version__}\n", "another version")
    expect("antes de um treino" in farense("--help", "--lang", "pt"), "no translations")
    names = {each["name"]: each["profile"] for each in json.loads(farense("profiles", "--json"))}
    expect(names.keys() >= {"demo", "m1-8gb", "m1-16gb", "m1-32gb"}, "profiles are missing")
    expect(all(names.values()), "a profile has faults")
    expect("complete" in farense("completion", "bash"), "no completion")
    expect((venv / "share/man/man1/farense-tui.1").is_file(), "no manual page")
    found = json.loads(farense("doctor", "--profile", "demo", "--json"))
    expect(found["level"] != "fail", "the doctor finds something")
    farense("train", "--profile", "demo", "--data", sample(venv, empty), "--name", "try", *FEW)
    expect((empty / "checkpoints/try/adapters/adapters.safetensors").is_file(), "no adapter")
    expect((empty / "checkpoints/try/report.html").is_file(), "no report")


FEW = ("--set", "train.epochs=1", "--set", "report.questions=0")


def sample(venv: Path, empty: Path) -> Path:
    """Take some rows of the data set that was installed."""
    data = next(venv.glob("lib/*/site-packages/farense_tui/assets/data/farense"))
    (empty / "data").mkdir()
    for name in ("train.jsonl", "valid.jsonl"):
        rows = (data / name).read_text(encoding="utf-8").splitlines(keepends=True)[:ROWS]
        (empty / "data" / name).write_text("".join(rows), encoding="utf-8")
    return empty / "data"


# ---- each step -------------------------------------------------------------------------------


def step(title: str, command: Sequence[str | Path], **how: object) -> str:
    """Run a command and tell how long it took; what it printed."""
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, check=True, **how)  # type: ignore[call-overload]
    print(f"{time.monotonic() - began:6.1f} s  {title}", flush=True)
    return str(done.stdout)


def expect(held: bool, otherwise: str) -> None:
    """End with what is wrong unless it holds."""
    if not held:
        raise SystemExit(otherwise)


if __name__ == "__main__":
    sys.exit(main())
