"""The profile: what is written is read back, and what is wrong is told with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.settings import fields, profile_file
from farense_worker.protocol.settings import profile as p
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta

EVERY = [each for section in fields.SETTINGS.values() for each in section.values()]
text = st.text(st.characters(exclude_categories=["Cs"]))


def _valid(setting: fields.Setting) -> st.SearchStrategy[Any]:
    """Values that the declaration allows, made from its bounds."""
    if setting.choices:
        return st.sampled_from(setting.choices)
    meta = next(m for m in setting.type.__metadata__ if isinstance(m, Meta))
    match fields.get_origin_type(setting.type).__name__:
        case "bool":
            return st.booleans()
        case "int":
            return st.integers(meta.ge, meta.le)  # type: ignore[arg-type]
        case "float":
            low = meta.ge if meta.ge is not None else meta.gt
            high = meta.le if meta.le is not None else meta.lt
            return st.floats(
                low, high, exclude_min=meta.gt is not None, exclude_max=meta.lt is not None
            )
        case "str":
            return text.filter(lambda s: len(s) >= (meta.min_length or 0))
        case _:
            if names := fields.names_of(setting.type):
                return st.lists(st.sampled_from(names), max_size=4).map(tuple)
            return st.lists(text, min_size=meta.min_length or 0, max_size=4).map(tuple)


@st.composite
def profiles(draw: st.DrawFn) -> p.Profile:
    profile = p.Profile()
    for setting in draw(st.lists(st.sampled_from(EVERY), unique_by=lambda s: s.name)):
        profile = p.replace_setting(profile, setting.name, draw(_valid(setting)))
    return profile


def fault(source: str) -> str:
    """The message for this text, which must be refused."""
    with pytest.raises(FarenseError) as caught:
        profile_file.parse(source, "own.toml")
    assert caught.value.exit_code == ExitCode.REFUSED
    assert caught.value.kind == "profile"
    return str(caught.value)


@given(profiles())
def test_a_profile_comes_back_as_it_was(profile: p.Profile) -> None:
    assert profile_file.parse(profile_file.dumps(profile), "x") == profile


@given(profiles(), text.filter(bool), st.floats(0, 3e10))
def test_a_config_comes_back_as_it_was(profile: p.Profile, name: str, created: float) -> None:
    sections = {section: getattr(profile, section) for section in fields.SETTINGS}
    config = p.Config(**sections, run=p.Run(name=name, created=created))
    assert profile_file.parse_config(profile_file.dumps(config), "x") == config


@pytest.mark.parametrize("setting", EVERY, ids=lambda s: s.name)
def test_every_setting_is_described_and_takes_its_own_default(setting: fields.Setting) -> None:
    assert setting.description
    assert setting.rule()
    assert fields.setting(setting.name) == setting
    default = getattr(getattr(p.Profile(), setting.section), setting.key)
    assert setting.parse(default) == default


@pytest.mark.parametrize("setting", EVERY, ids=lambda s: s.name)
def test_every_setting_refuses_another_type_with_its_rule(setting: fields.Setting) -> None:
    wrong: Any = {"a": 1}
    with pytest.raises(ValueError, match="must be") as caught:
        setting.parse(wrong)
    assert setting.rule() in str(caught.value)


def _bounds() -> list[tuple[fields.Setting, Any, bool]]:
    """The last value within, and the first one beyond, each bound there is."""
    cases = []
    for setting in EVERY:
        meta = next(m for m in setting.type.__metadata__ if isinstance(m, Meta))
        for bound, closed in ((meta.ge, True), (meta.le, True), (meta.gt, False), (meta.lt, False)):
            if bound is not None:
                step = -1 if bound in (meta.ge, meta.gt) else 1
                cases += [(setting, bound, closed), (setting, bound + step, False)]
    return cases


@pytest.mark.parametrize(("setting", "value", "allowed"), _bounds())
def test_every_bound_is_kept(setting: fields.Setting, value: Any, allowed: bool) -> None:
    if allowed:
        assert setting.parse(value) == value
    else:
        with pytest.raises(ValueError, match="must be"):
            setting.parse(value)


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("[train]\n\nbatch_sise = 1", "line 3: unknown key train.batch_sise. Did you mean batch_"),
        ("\n[trane]", "line 2: unknown section [trane]. Did you mean train?"),
        ("[zzz]", "line 1: unknown section [zzz]. Known: profile, model, data, train,"),
        ("[lora]\nrank = 0", "line 2: lora.rank must be a whole number from 1 to 1024, not 0"),
        ("[lora]\nrank = 1.5", "lora.rank must be a whole number from 1 to 1024, not 1.5"),
        ("[lora]\nrank = true", "lora.rank must be a whole number from 1 to 1024, not true"),
        ("[lora]\nrank = '8'", 'lora.rank must be a whole number from 1 to 1024, not "8"'),
        ("[train]\nseed = -1", "train.seed must be a whole number from 0 to 4294967295, not -1"),
        ("[lora]\nkeys = 'q_proj'", "lora.keys must be a list with at least one text"),
        ("[lora]\nkeys = []", "lora.keys must be a list with at least one text, not []"),
        ("[lora]\nkeys = [1]", "lora.keys must be a list with at least one text"),
        ("[lora]\ndropout = 1", "lora.dropout must be a number from 0 and below 1, not 1"),
        ("[train]\nlearning_rate = nan", "train.learning_rate must be a number above 0 and to 1"),
        ("[train]\nlearning_rate = inf", "train.learning_rate must be a number above 0 and to 1"),
        ("[train]\nmask_prompt = 1", "train.mask_prompt must be true or false, not 1"),
        ("[train]\ncompile = 'no'", 'train.compile must be "auto", "on" or "off", not "no"'),
        ("[model]\nrepo = ''", 'model.repo must be some text, not ""'),
        ("[data]\npath = 1979-05-27", "data.path must be some text"),
        ("train = 1", "line 1: train must be a section, [train]"),
        ("[[train]]\nepochs = 1", "train must be a section, [train]"),
        ("[train.deep]\na = 1", "unknown key train.deep"),
        ("train.epochs = 0", "line 1: train.epochs must be a whole number from 1 to 10000"),
        ("[run]\nname = 'x'", "line 1: unknown section [run]"),
        ("[train", "own.toml is not TOML"),
        ("[train]\nepochs = 1\nepochs = 2", "own.toml is not TOML"),
    ],
)
def test_a_fault_is_told_with_what_would_be_right(source: str, told: str) -> None:
    assert told in fault(source)


def test_all_faults_are_told_at_once_each_with_its_line() -> None:
    source = """\
# a comment with [lora] and rank = 3 in it
[train]
  batch_size = 0
"epochs" = "three"

[ lora ]
rank = 4
rang = 5
"""
    message = fault(source)
    assert message.splitlines()[0] == "own.toml has 3 faults"
    assert "line 3: train.batch_size" in message
    assert "line 4: train.epochs" in message
    assert "line 8: unknown key lora.rang. Did you mean rank?" in message


def test_the_same_key_in_two_sections_is_told_with_the_right_line() -> None:
    assert "line 4: report.eval_every" in fault("[checkpoint]\nevery = 5\n[report]\neval_every = 0")
    assert "line 2: checkpoint.every" in fault("[checkpoint]\nevery = 0\n[report]\neval_every = 5")


def test_an_empty_profile_is_all_defaults() -> None:
    assert profile_file.parse("", "x") == p.Profile()


def test_a_config_needs_its_run() -> None:
    with pytest.raises(FarenseError, match="fault") as caught:
        profile_file.parse_config("", "config.toml")
    assert "the section [run] is missing" in caught.value.detail
    with pytest.raises(FarenseError) as caught:
        profile_file.parse_config("[run]\n", "config.toml")
    assert "name" in caught.value.detail


@pytest.mark.parametrize(
    ("name", "typed", "value"),
    [
        ("train.epochs", "7", 7),
        ("train.epochs", " 7 ", 7),
        ("train.learning_rate", "1e-4", 1e-4),
        ("train.learning_rate", "1", 1.0),
        ("train.mask_prompt", "false", False),
        ("train.compile", "off", "off"),
        ("model.repo", "owner/name", "owner/name"),
        ("model.repo", '"owner/name"', "owner/name"),
        ("model.repo", "1979", "1979"),
        ("model.repo", "true", "true"),
        ("model.repo", "./a folder = with ] odd [ signs", "./a folder = with ] odd [ signs"),
        ("lora.keys", "q_proj v_proj", ("q_proj", "v_proj")),
        ("lora.keys", "q_proj, v_proj", ("q_proj", "v_proj")),
        ("lora.keys", '["q_proj"]', ("q_proj",)),
        ("report.prompts", '["Quem é?", "Onde?"]', ("Quem é?", "Onde?")),
        ("report.prompts", "", ()),
        ("profile.title", "", ""),
    ],
)
def test_what_is_typed_is_taken_as_it_is_meant(name: str, typed: str, value: Any) -> None:
    assert fields.setting(name).parse_text(typed) == value


@pytest.mark.parametrize(
    ("name", "typed"),
    [
        ("train.epochs", ""),
        ("train.epochs", "three"),
        ("train.epochs", "3.0"),
        ("train.mask_prompt", "yes"),
        ("train.compile", "On"),
        ("lora.keys", ""),
        ("lora.keys", "[1, 2]"),
        ("model.repo", ""),
    ],
)
def test_what_is_typed_wrong_is_refused_with_the_rule(name: str, typed: str) -> None:
    setting = fields.setting(name)
    with pytest.raises(ValueError, match="must be") as caught:
        setting.parse_text(typed)
    assert setting.rule() in str(caught.value)


@pytest.mark.parametrize("name", ["train.epoch", "epochs", "", "train", "train.epochs.x", "x.y"])
def test_a_setting_that_there_is_not_is_refused(name: str) -> None:
    with pytest.raises(FarenseError, match="there is no setting"):
        fields.setting(name)


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FarenseError, match="cannot read the profile"):
        profile_file.load(tmp_path / "nothing.toml")
    with pytest.raises(FarenseError, match="cannot read the profile"):
        profile_file.load(tmp_path)
    latin = tmp_path / "latin.toml"
    latin.write_bytes('[profile]\ntitle = "Época"'.encode("latin-1"))
    with pytest.raises(FarenseError, match="is not UTF-8"):
        profile_file.load(latin)


def test_choices_are_those_of_the_declaration() -> None:
    hint = fields.SETTINGS["train"]["compile"].type
    assert fields.SETTINGS["train"]["compile"].choices == get_args(get_args(hint)[0])


def test_a_profile_without_a_fault_is_read_through_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look for each key's line made a list of 500 runs five times as slow."""
    monkeypatch.setattr(profile_file, "_lines", lambda _text: pytest.fail("looks for lines"))
    profile_file.parse("[train]\nepochs = 2\n", "x")


def test_the_lines_of_what_is_written_in_other_ways() -> None:
    text = '"train".a = 1\ntrain."b" = 2\n[ lora ]\n"c" = 3\n  \'d\'=4\n'
    with pytest.raises(FarenseError) as caught:
        profile_file.parse(text, "x")
    for number, key in enumerate(("train.a", "train.b", "lora.c", "lora.d"), 1):
        line = number if number < 3 else number + 1
        assert f"line {line}: unknown key {key}." in caught.value.detail
