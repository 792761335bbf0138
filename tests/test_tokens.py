"""Texts as words: beside Python's regular expressions, Unicode and Snowball."""

import re
import subprocess
import sys
import unicodedata
from pathlib import Path

import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ragtune import _core

ROOT = Path(__file__).parents[1]
TABLE = (ROOT / "src/letters_table.hpp").read_text()
UNICODE = re.search(r'UNICODE_VERSION = "(.*)"', TABLE)[1]


def plain(text):
    return _core.tokens(text, None)


def is_cjk(c):
    name = unicodedata.name(c, "")
    return any(s in name for s in ("CJK", "KANA", "GANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC"))


@given(text=st.text(st.characters(max_codepoint=0x7F)))
@settings(max_examples=300, deadline=None)
def test_ascii_is_split_as_the_pattern_says(text):
    assert plain(text) == oracle.words(text)


@given(text=st.text("aAzZ éÉßñÑüÜ'- ΑαΩω ЖжЯя_09 ĐđŁł", max_size=60))
@settings(max_examples=300, deadline=None)
def test_latin_greek_and_cyrillic_are_split_as_the_pattern_says(text):
    assert plain(text) == oracle.words(text)


@given(text=st.text(max_size=80))
@settings(max_examples=500, deadline=None)
def test_any_text_is_split_into_words_of_at_least_two_characters(text):
    for word in plain(text):
        assert word == word.lower() or "ς" in word.lower()
        assert len(word) >= 2 or is_cjk(word)


@pytest.mark.skipif(unicodedata.unidata_version != UNICODE, reason=f"needs Unicode {UNICODE}")
def test_table_of_letters_is_what_its_script_writes():
    script = [sys.executable, str(ROOT / "tools/letters.py"), "--check"]
    subprocess.run(script, check=True)


@pytest.mark.skipif(unicodedata.unidata_version != UNICODE, reason=f"needs Unicode {UNICODE}")
def test_every_character_of_unicode_is_classed_and_lowered_as_python_does():
    """Doubled, so that it is long enough for a word; marks belong to words, unlike in \\w."""
    pattern = re.compile(r"\w")
    for code in range(0x110000):
        c = chr(code)
        if 0xD800 <= code < 0xE000 or is_cjk(c):
            continue
        word = pattern.match(c) or unicodedata.category(c)[0] == "M"
        lower = {"İ": "i", "ς": "\N{GREEK SMALL LETTER SIGMA}"}.get(c, c.lower())
        assert plain(c + c) == ([lower + lower] if word else []), hex(code)


def test_marks_do_not_divide_words():
    assert plain("हिन्दी में") == ["हिन्दी", "में"]


def test_a_final_sigma_is_a_sigma():
    assert plain("ΟΔΟΣ οδος οδός") == ["οδοσ", "οδοσ", "οδόσ"]


def test_a_letter_whose_lower_case_is_longer_has_room():
    assert plain("ȺȾ" * 1000) == ["ⱥⱦ" * 1000]


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("日本語", ["日本", "本語"]),
        ("日", ["日"]),
        ("日本", ["日本"]),
        ("ragtuneは検索、学ぶ engine", ["ragtune", "は検", "検索", "学ぶ", "engine"]),
        ("한국어 검색", ["한국", "국어", "검색"]),
        ("𠀀𠀁", ["𠀀𠀁"]),
    ],
)
def test_chinese_japanese_and_korean_are_pairs_of_characters(text, pairs):
    assert plain(text) == pairs
    assert _core.tokens(text, "english")[-1][:5] == pairs[-1][:5]


@pytest.mark.parametrize(
    "damaged",
    [
        b"\xff", b"\xc3", b"\xe6\x97", b"\xf0\xa0\x80", b"\x80\x80", b"\xc0\xaf", b"\xe0\x80\xaf",
        b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf8\x88\x80\x80\x80", b"\x00",
    ],
)  # fmt: skip
def test_bytes_that_are_no_character_only_end_a_word(damaged):
    assert plain(b"left" + damaged + b"right") == ["left", "right"]
    assert plain(b"left" + damaged) == ["left"]


@given(data=st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_read(data):
    for language in (None, "english", "greek"):
        for token in _core.tokens(data, language):
            assert isinstance(token, str)


def test_long_words_are_not_stemmed():
    assert _core.tokens("running" * 40 + "s", "english") == ["running" * 40 + "s"]


def test_words_are_stemmed_by_their_language():
    assert _core.tokens("The running dogs were eating", "english") == ["run", "dog", "were", "eat"]
    assert _core.tokens("die laufenden Häuser", "german") == ["die", "laufend", "haus"]
    assert _core.tokens("les maisons blanches", "fr") == ["le", "maison", "blanch"]
    assert _core.tokens("красивые дома", "russian") == ["красив", "дом"]


def test_stop_words_of_english_are_those_of_bm25s():
    asked = " ".join(sorted(oracle.STOP_WORDS))
    assert _core.tokens(asked, "english") == _core.tokens(asked, "en") == []
    assert plain(asked) == [w for w in sorted(oracle.STOP_WORDS) if len(w) > 1]


def test_unknown_language_names_those_that_are_known():
    with pytest.raises(ValueError, match=r"language: expected one of .*english.*, got klingon"):
        _core.tokens("a", "klingon")
