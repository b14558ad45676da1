"""What a chat template from elsewhere may take of time and memory: kinds of attacks, each refused.

The bounds are made tighter here, for the table to be quick; what is refused with them takes as much
with the real ones in the end.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from farense_worker.data.labels import template_errors
from farense_worker.model import chat_template
from farense_worker.model.chat_template import ChatTemplates
from farense_worker.model.sandbox import meter
from farense_worker.protocol.errors import FarenseError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

MESSAGES = [{"role": "user", "content": "a b"}, {"role": "assistant", "content": "c"}]


@pytest.fixture
def tight(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(meter, "_UNITS", 800_000)
    monkeypatch.setattr(meter, "_SECONDS", 0.4)
    yield
    for cached in (chat_template._compiled, chat_template._takes_parts_alone):
        cached.cache_clear()  # of what was refused


def rendered(template: str, messages: list[dict[str, Any]] | None = None) -> str:
    templates = ChatTemplates(template, {"bos_token": "<s>"}, thinking=False)
    return templates.text(messages or MESSAGES)


def grown(times: int, first: str, next_one: str) -> str:
    """A value `ns.x` that is made anew of the one before, so many times."""
    return (
        "{% set ns = namespace(x=" + first + ") %}{% for i in range(" + str(times) + ") %}"
        "{% set ns.x = " + next_one + " %}{% endfor %}"
    )


SHARED = grown(60, "['a']", "[ns.x, ns.x]")  # small, and endless to whoever goes through it
NESTED = grown(5000, "()", "(ns.x,)")  # the hash of it would end the process
SAME_HASH = "range(0, 9000 * (2**61 - 1), 2**61 - 1)"
LONG = "{% set b = 'a' * 100000 %}"

TOO_MUCH = {
    "a value that holds another twice": [
        SHARED + use
        for use in (
            "{{ ns.x }}",
            "{{ ns.x ~ 'a' }}",
            "{{ ns.x | tojson }}",
            "{{ ns.x | string | length }}",
            "{{ '%s' % (ns.x,) }}",
            "{{ '{}'.format(ns.x) }}",
            "{{ ns.x == [ns.x] }}",
            "{{ [1] in ns.x }}",
            "{{ [ns.x, ns.x] | sort }}",
            "{{ raise_exception(ns.x) }}",
            "{% for i in [1] %}{{ loop.changed(ns.x) }}{% endfor %}",
        )
    ]
    + [grown(60, "{'a': 1}", "{'a': ns.x, 'b': ns.x}") + "{{ ns.x }}"]
    + ["{% set ns = namespace() %}{% set ns.x = [ns, ns] %}{{ ns }}"],
    "lists within lists": [
        NESTED + use
        for use in (
            "{{ {ns.x: 1} }}",
            "{{ messages[0][ns.x] }}",
            "{{ messages[0].get(ns.x) }}",
            "{{ ns.x in messages[0] }}",
            "{{ ns.x is filter }}",
            "{{ [ns.x] | unique | list }}",
            "{{ dict([(ns.x, 1)]) }}",
            "{{ namespace([(ns.x, 1)]) }}",
            "{{ ns.x }}",
        )
    ],
    "the same text many times": [
        LONG + "{{ ([b] * 100000) | join | length }}",
        LONG + "{{ ''.join([b] * 100000) | length }}",
        LONG + "{{ ([{'a': b}] * 100000) | map(attribute='a') | join | length }}",
        LONG + "{{ ('{0}' * 9999).format(b) | length }}",
        LONG + "{{ ('%(a)s' * 9999) % {'a': b} }}",
        LONG + "{{ [" + "b[1:]," * 9999 + "] | length }}",
        LONG + "{{ b.replace('a', b) | length }}",
        LONG + "{{ b | replace(new=b, old='a') | length }}",
        LONG + "{{ b | join(b) | length }}",
        LONG + "{{ ('\t' * 99999).expandtabs(99999) | length }}",
        LONG + "{{ ('\n' * 99999) | indent(b) | length }}",
        LONG + "{{ ([1] * 99999) | tojson(indent=b) | length }}",
        LONG + "{{ ([1] * 99999) | tojson(separators=(b, b)) | length }}",
        "{% for i in range(99999) %}" + "text" * 1000 + "{% endfor %}",
        "{% set x %}a{% endset %}" + "{% set x %}{{ x }}{{ x }}{% endset %}" * 60 + "{{ x }}",
        "{% filter replace('a', 'b' * 99999) %}" + "a" * 99999 + "{% endfilter %}",
    ],
    "a number that says how long": [
        "{{ [1] * 10**10 }}",
        "{{ ('a' | safe) * 10**10 }}",
        "{{ 'a'.rjust(10**10) }}",
        "{{ '%' ~ '9' * 9 ~ 'd' }}{{ ('%' ~ '9' * 9 ~ 'd') % 1 }}",
        "{{ '%.999999999f' % 1.5 }}",
        "{{ ('\U0001f600%9999s' * 9000) % (('a',) * 9000) }}",
        "{{ '%9999999999d' is odd }}",
        "{{ '{:.999999999f}'.format(1.5) }}",
        "{{ strftime_now('%999999999Y') }}",
        "{{ [1] | batch(10**10, 'x') | list }}",
        "{{ [1] | slice(10**10) | list }}",
        "{{ 5 | round(-10**9) }}",
        "{{ 1 | tojson(indent=10**10) }}",
        "{{ 3 ** (10**8) }}",
        grown(99, "3", "ns.x * ns.x"),
    ],
    "longer with each step": [
        "{{ ([[0] * 99] * 999) | sum(start=[]) }}",
        "{{ ([{'a': [0] * 99}] * 999) | sum(attribute='a', start=[]) }}",
        grown(99999, "[]", "ns.x + [i]"),
        LONG + "{% for i in range(99999) %}{% set c = b[1:] %}{% endfor %}",
        LONG + "{{ (b * 5).rfind('c' ~ b) }}",
        LONG + "{{ b.strip('c' * 99999 ~ 'a') }}",
        "{{ " + SAME_HASH + " | unique | list | length }}",
        "{{ dict(" + SAME_HASH + " | batch(2)) | length }}",
        "{{ {" + "".join(f"{i} * i: 1," for i in range(1500)) + "} }}",
        "{{ range(9999) | map(attribute='real" + ".real" * 9999 + "') | list }}",
        "{{ ('中' * 999999) | list | length }}",
        "{{ ('中 ' * 499999).split() | length }}",
        "{{ cycler(*('中' * 999999)) }}",
    ],
    "without end": [
        "{% for i in range(9999) %}{% for j in range(9999) if j < 0 %}{% endfor %}{% endfor %}",
        "{% macro m(n) %}{% if n %}{{ m(n - 1) ~ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
        "{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}"
        f"{'{% call m() %}' * 16}x{'{% endcall %}' * 16}",
    ],
    "long itself": [
        "a" * 300_000,
        "{# a #}" * 99_999,
        "{{ a" + " ~ a" * 45_000 + " }}",
        "".join(f"{{% set a{i} = 1 %}}" for i in range(1000)) + "{% if a %}{% endif %}" * 1000,
    ],
}
NOT_THERE = [
    "{{ lipsum() }}",
    "{{ 'a'.encode() }}",
    "{{ (1).to_bytes(10**10, 'big') }}",
    "{{ 'a'.translate({97: 'b'}) + 'a' }}",
    "{{ '{a}'.format_map({'a': 1}) }}",
    "{{ {}.fromkeys([1]) }}",
    "{{ dict.fromkeys([1]) }}",
    "{{ ('a' | safe).striptags() }}",
    "{{ 'a' | urlize }}",
    "{{ '%*d' % (10**10, 1) }}",
    "{{ '%.*f' | format(10**10, 1.5) }}",
    "{{ '{:{}}'.format('a', 10**10) }}",
    "{% include 'a' %}",
    "{% include 'a' ignore missing %}",
    "{% import 'a' as b %}",
    "{% from 'a' import b %}",
    "{% extends messages %}",
    "{% for x in [1, 2] %}{{ loop | list | string }}{% endfor %}",
    "{{ messages[0].keys() - messages[1].keys() }}",
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% if a %}" + "{% elif b %}" * 3000 + "{% endif %}",
    "{{ " + "-" * 9999 + "1 }}",
]


@pytest.mark.parametrize("kind", TOO_MUCH)
@pytest.mark.usefixtures("tight")
def test_what_takes_too_much_is_refused(kind: str) -> None:
    for template in TOO_MUCH[kind]:
        with pytest.raises(FarenseError) as caught:
            rendered(template)
        assert "was stopped" in caught.value.detail, template[:200]


def test_what_a_template_does_not_have_is_an_error_of_the_row() -> None:
    for template in NOT_THERE:
        with pytest.raises(template_errors()) as caught:
            rendered(template)
        assert 9 < len(str(caught.value)) < 2000, template[:200]
        assert "MemoryError" not in str(caught.value)


def test_an_error_is_told_in_so_many_words() -> None:
    for template in ("{{ raise_exception('a' * 99999) }}", "{{ messages['a' * 99999].b }}"):
        with pytest.raises(template_errors()) as caught:
            rendered(template)
        assert len(str(caught.value)) < 2000


def test_what_is_no_text_is_no_template() -> None:
    for template in (5, True, {"default": None}):
        with pytest.raises(FarenseError, match="chat template cannot be used"):
            rendered(template)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="surrogates not allowed"):
        rendered("{{ '\\ud800' }}")


@pytest.mark.filterwarnings("error")
def test_python_s_compiler_says_nothing_of_it() -> None:
    with pytest.raises(template_errors()):
        rendered("{{ 1[0].a.b }}{{ 1() }}")


def test_nests_of_what_is_drawn_later_end_in_order() -> None:
    """To let go of them goes as deep as they are."""
    assert rendered(grown(3000, "[1]", "ns.x | map('upper')") + "a") == "a"
    with pytest.raises(template_errors(), match="nested too deeply"):
        rendered(grown(3000, "[1]", "ns.x | select") + "{{ ns.x | list }}")


def test_a_long_row_is_not_the_template_s_fault() -> None:
    message = {"role": "user", "content": "palavra " * 500_000}
    template = "{% for m in messages %}{{ m.content.split('|')[0] | trim ~ '.' }}{% endfor %}"
    assert len(rendered(template, [message])) == 4_000_000


def test_a_row_that_is_nested_too_deeply_is_named() -> None:
    deep: Any = 1
    for _each in range(300):
        deep = [deep]
    with pytest.raises(ValueError, match="conversation is nested too deeply"):
        rendered("{{ messages }}", [{"role": "user", "content": "a", "more": deep}])


def test_each_thread_has_its_own_count() -> None:
    said: list[str] = []
    threads = [
        threading.Thread(target=lambda: said.append(rendered("{{ ('a' * 400000) | length }}")))
        for _each in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert said == ["400000"] * 12


SAME = [
    "{{ messages }}",
    "{{ messages | tojson }}{{ messages | tojson(indent=2) }}",
    "{{ [1, 2] | tojson(separators=',:') }}{{ ['é'] | tojson(true) }}",
    "{{ '%-5s|%05.1f|%d%%' % ('a', 1.5, 3) }}{{ '%s and %s' | format('a', 'b') }}",
    "{{ '{:>5}|{0!r}'.format('a') if false else '{:>5}|{:.2f}'.format('a', 1.5) }}",
    "{{ 'a-b'.split('-')[::-1] | join('+') ~ 1 ~ none ~ [1, 'a'] }}{{ 'abc'[1:] }}{{ 'abc'[-1] }}",
    "{{ [3, 1, 2] | sort }}{{ [1, 2] | sum }}{{ [[1], [2]] | sum(start=[]) }}",
    "{{ [1, 1] | unique | list }}{{ ['b', 'A'] | min }}",
    "{% for role, each in messages | groupby('role') %}{{ role }}{{ each | length }}{% endfor %}",
    "{{ messages | map(attribute='role') | list }}{{ messages | map('length') | list }}",
    "{{ messages | selectattr('role', 'eq', 'user') | list }}",
    "{% if messages | selectattr('role', 'equalto', 'x') %}drawn is true{% endif %}",
    "{{ messages[0].get('x', 'y') }}{{ messages[0].x is defined }}{{ messages[0].items() | list }}",
    "{{ 'role' in messages[0] }}{{ 'a' in ['a', 'b'] }}{{ 'x' not in 'abc' }}{{ 1 < 2 < 3 }}",
    "{{ 7 // 2 }}{{ 7 % 4 }}{{ 2 ** 10 }}{{ -7 / 2 }}{{ 3 * 'ab' }}{{ [0] * 3 }}{{ 3 is odd }}",
    "{% for m in messages if m.role == 'user' %}{{ loop.index }}{{ loop.length }}{% endfor %}",
    "{% for x in [[1, [2]]] recursive %}{{ x if x is number else loop(x) }}{% endfor %}",
    "{% macro m(a, b='x') %}{{ a }}{{ b }}{{ varargs }}{% endmacro %}{{ m(1, 2, 3) }}{{ m(*[1]) }}",
    "{% set ns = namespace(a=1, **{'b': 2}) %}{% set ns.a = ns.a + ns.b %}{{ ns.a }}",
    "{{ dict(a=1) }}{{ dict([('a', 1)], b=2) }}{{ dict(messages[0]) }}{{ range(3) | list }}",
    "{% autoescape true %}{{ '<' }}{{ '<' ~ messages[0].role }}{% endautoescape %}{{ '<' | e }}",
    "{% set x | upper %}abc{% endset %}{{ x }}{% filter title %}a b{% endfilter %}",
    "{{ 'a b' | wordcount }}{{ 'a\nb' | indent(2) }}{{ 'abc' | center(9) }}{{ 'ab' | list }}",
    "{{ 1.5 | round }}{{ '7' | int }}{{ z | default('y') }}{{ 'ab' | reverse }}",
    "{{ range(3) | batch(2) | list }}{{ range(3) | slice(2) | list }}",
    "{{ {'b': 1, 'a': 2} | dictsort }}{{ {1: 2, (1, 2): 3}[1, 2] }}",
    "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% elif i > 3 %}{% break %}{% endif %}"
    "{{ i }}{% endfor %}",
]


@pytest.mark.parametrize("template", SAME)
def test_all_else_is_written_as_jinja2_writes_it(template: str) -> None:
    plain = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols]
    )
    plain.filters["tojson"] = json_as_transformers_writes_it
    assert rendered(template) == plain.from_string(template).render(messages=MESSAGES)


def json_as_transformers_writes_it(value: Any, ensure_ascii: bool = False, **more: Any) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, **more)
