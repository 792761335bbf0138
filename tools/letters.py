"""Write src/letters_table.hpp: word characters and lower case, from Python's Unicode tables."""

import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

TABLE = Path(__file__).parents[1] / "src/letters_table.hpp"
FOLDED = {0x130: ord("i"), 0x3C2: 0x3C3}  # the only lower case of two characters; final sigma


def is_word(character: str) -> bool:
    """What a regular expression calls a word character, and the marks that belong to letters."""
    return character.isalnum() or character == "_" or unicodedata.category(character)[0] == "M"


def lower(code: int) -> int:
    """The one character that stands for all cases of a letter."""
    return FOLDED.get(code) or ord(chr(code).lower())


def words() -> Iterator[tuple[int, int]]:
    """First and last code point of each run of word characters."""
    first = None
    for code in range(sys.maxunicode + 2):
        inside = code <= sys.maxunicode and is_word(chr(code))
        if inside and first is None:
            first = code
        elif not inside and first is not None:
            yield first, code - 1
            first = None


def cases() -> Iterator[tuple[int, int, int, int]]:
    """First, last, step, and what is added: runs of letters that change alike."""
    changed = [c for c in range(sys.maxunicode + 1) if is_word(chr(c)) and lower(c) != c]
    at = 0
    while at < len(changed):
        first = last = changed[at]
        added, step = lower(first) - first, 0
        while at + 1 < len(changed) and lower(changed[at + 1]) - changed[at + 1] == added:
            gap = changed[at + 1] - last
            if gap > 2 or (step and gap != step):
                break
            step, last, at = gap, changed[at + 1], at + 1
        yield first, last, step or 1, added
        at += 1


def lines(rows: Iterator[tuple[int, ...]], signed: int) -> Iterator[str]:
    """Rows as C++, code points in hexadecimal, filling 100 columns."""
    line = ""
    for row in rows:
        cells = [str(x) if i >= signed else f"0x{x:X}" for i, x in enumerate(row)]
        item = "{" + ", ".join(cells) + "},"
        if len(line) + len(item) + 1 > 96:
            yield line
            line = ""
        line = f"{line} {item}" if line else f"    {item}"
    yield line


def table() -> str:
    """The header."""
    return "\n".join(
        [
            "// Written by tools/letters.py.",
            "// clang-format off",
            "#pragma once",
            "",
            "namespace ragtune {",
            "",
            f'constexpr const char* UNICODE_VERSION = "{unicodedata.unidata_version}";',
            "",
            "// First and last of each run of letters, digits, marks and the underscore.",
            "constexpr struct { char32_t first, last; } WORDS[] = {",
            *lines(words(), 2),
            "};",
            "",
            "// Every step-th character from first to last has its lower case `added` further on.",
            "constexpr struct { char32_t first, last; int step, added; } CASES[] = {",
            *lines(cases(), 2),
            "};",
            "",
            "}  // namespace ragtune",
            "",
        ]
    )


if __name__ == "__main__":
    if "--check" not in sys.argv:
        TABLE.write_text(table())
    elif TABLE.read_text() != table():
        sys.exit("src/letters_table.hpp differs from what tools/letters.py writes")
