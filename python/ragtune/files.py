"""Chunks of text from files: what `ragtune add` reads.

Kinds, by ending: .txt, .md, .html, .htm, .rst, .pdf, and .jsonl in BEIR layout. No file
makes another one be read: includes, raw blocks and configuration files stay unread.
"""

from __future__ import annotations

import io
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ragtune import _core
from ragtune.embed.checks import require

CHUNK_CHARS = (400, 1200)

_HEADINGS = re.compile(r"(?:#{1,6} [^\n]*\s*)+")  # of Markdown, and nothing else
_NOT_HTML_TEXT = ("head", "nav", "noscript", "script", "style", "template")
_HTML_BLOCKS = re.compile(
    r"address|article|aside|blockquote|br|d[dlt]|div|fig\w+|footer|h\d|header|hr|li|main|[ou]l"
    r"|p|pre|section|table|td|th|tr"
)


@dataclass(frozen=True, slots=True)
class FileChunk:
    """A passage of a file.

    Attributes:
        id: `<source>#<number>`, or the `_id` of a line of a .jsonl file.
        text: The passage.
        source: The file as seen from the working directory, or its absolute path outside of
            it, always with slashes. A line of a .jsonl file is a document of its own: its
            metadata's `source`, else its id.
        metadata: `source`, `title` and `page` where there are such.
    """

    id: str
    text: str
    source: str
    metadata: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Selection:
    """The files that were found, and what was passed over, each with the reason."""

    files: tuple[Path, ...]
    skipped: tuple[tuple[Path, str], ...]

    def chunks(self, *, chunk_chars: tuple[int, int] = CHUNK_CHARS) -> Iterator[FileChunk]:
        """Read the files one after the other; arguments and errors as in `read_files`."""
        least, most = chunk_chars
        if not 1 <= least <= most:
            raise ValueError(f"chunk_chars: expected 1 <= least <= most, got {chunk_chars}")
        source_of: dict[str, Path] = {}
        for path in self.files:
            for chunk in _read(path, chunk_chars):
                if chunk.id in source_of:
                    known = source_of[chunk.id]
                    raise ValueError(f"{path}: expected new ids, got {chunk.id!r} as in {known}")
                source_of[chunk.id] = path
                yield chunk


def read_files(
    paths: Sequence[str | Path], *, chunk_chars: tuple[int, int] = CHUNK_CHARS
) -> Iterator[FileChunk]:
    """Cut files, and all files of folders, into chunks.

    Args:
        paths: Files and folders; see `find_files` for what is passed over.
        chunk_chars: Least and most characters of a chunk; a short text may be shorter.

    Raises:
        FileNotFoundError: There is nothing at a path.
        ImportError: A package that reads such files is missing.
        ValueError: A file cannot be decoded or parsed, an id comes twice, or chunk_chars are
            not a range.
    """
    yield from find_files(paths).chunks(chunk_chars=chunk_chars)


def find_files(paths: Sequence[str | Path]) -> Selection:
    """Find the files of a known kind; those of a folder are sorted by path.

    In folders, hidden files and folders, unknown endings, and links to folders or to what
    lies outside are passed over; a memory within is not looked into. A file that is reached
    twice is taken once.

    Raises:
        FileNotFoundError: There is nothing at a path.
    """
    search = _Search()
    for path in map(Path, paths):
        if path.is_dir():
            search.take_folder(path)
        elif path.exists():
            search.take(path)
        else:
            raise FileNotFoundError(f"{path}: expected a file or a folder, got nothing")
    return Selection(tuple(search.found.values()), tuple(search.skipped))


@dataclass(slots=True)
class _Search:
    found: dict[str, Path] = field(default_factory=dict)  # real path -> path
    skipped: list[tuple[Path, str]] = field(default_factory=list)

    def take(self, path: Path) -> None:
        if path.suffix.lower() in _KINDS:
            self.found.setdefault(os.path.realpath(path), path)
        else:
            self.skipped.append((path, f"unknown ending {path.suffix!r}"))

    def take_folder(self, folder: Path) -> None:
        links = []
        for path in sorted(self._walk(folder)):
            if path.is_symlink():
                links.append(path)
            else:
                self.take(path)
        inside = os.path.join(os.path.realpath(folder), "")
        for path in links:
            if path.is_file() and os.path.realpath(path).startswith(inside):
                self.take(path)
            else:
                self.skipped.append((path, "link to a folder or out of it"))

    def _walk(self, folder: Path) -> Iterator[Path]:
        for root, folders, names in os.walk(folder, onerror=_raise):
            for name in [*folders, *names]:
                path = Path(root, name)
                if name.startswith("."):
                    self.skipped.append((path, "hidden"))
                elif name in names or path.is_symlink():
                    yield path
            seen = [name for name in folders if not name.startswith(".")]
            folders[:] = [n for n in seen if not Path(root, n, "store.sqlite").exists()]


def _raise(error: OSError) -> None:
    raise error


def source_name(path: Path) -> str:
    """Name of a file: from the working directory if it lies below, else its absolute path."""
    absolute = Path(os.path.abspath(path))
    below = absolute.is_relative_to(Path.cwd())
    return (absolute.relative_to(Path.cwd()) if below else absolute).as_posix()


def _read(path: Path, chunk_chars: tuple[int, int]) -> Iterator[FileChunk]:
    if path.suffix.lower() == ".jsonl":
        yield from _read_jsonl(path)
        return
    source, number = source_name(path), 0
    for part in _extract(path):
        for text in part.split(chunk_chars):
            metadata = {"source": source, **part.metadata}
            yield FileChunk(f"{source}#{number}", text, source, metadata)
            number += 1


@dataclass(frozen=True, slots=True)
class _Part:
    """Text that is split for itself: a file, or a page."""

    text: str
    metadata: dict[str, Any]
    splitter: str = "TextSplitter"

    def split(self, chunk_chars: tuple[int, int]) -> list[str]:
        splitters = require("semantic_text_splitter", "files")
        chunks = getattr(splitters, self.splitter)(chunk_chars).chunks(self.text)
        return _join_headings(chunks, chunk_chars[1])


def _join_headings(chunks: Sequence[str], most: int) -> list[str]:
    """Put headings that the splitter left alone before what they are about, where it fits."""
    joined: list[str] = []
    for chunk in chunks:
        alone = joined and _HEADINGS.fullmatch(joined[-1])
        if alone and len(joined[-1]) + len(chunk) + 2 <= most:
            joined[-1] += f"\n\n{chunk}"
        else:
            joined.append(chunk)
    return joined


def _extract(path: Path) -> list[_Part]:
    data, kind = path.read_bytes(), path.suffix.lower()
    try:
        return _KINDS[kind](data) if data.strip() else []
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # parsers of damaged files raise whatever they like
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: cannot be read as {kind}: {reason}") from error


def _from_text(data: bytes) -> list[_Part]:
    return [_Part(data.decode("utf-8-sig"), {})]


def _from_markdown(data: bytes) -> list[_Part]:
    text = data.decode("utf-8-sig")
    heading = re.search(r"^# +(.+?)[ #]*$", text, re.MULTILINE)
    return [_Part(text, _titled(heading and heading[1]), "MarkdownSplitter")]


def _from_html(data: bytes) -> list[_Part]:
    bs4 = require("bs4", "files")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # XHTML read as HTML, text that looks like a path
        soup = bs4.BeautifulSoup(data, "html.parser")
    if soup.contains_replacement_characters:
        raise ValueError("the bytes are of no encoding that is declared or known")
    heading = soup.title or soup.h1
    title = heading and heading.get_text(" ", strip=True)
    for tag in soup.find_all(_NOT_HTML_TEXT):
        tag.extract()
    for tag in soup.find_all(re.compile(rf"^(?:{_HTML_BLOCKS.pattern})$")):
        tag.insert_before("\n\n")
        tag.insert_after("\n\n")
    text = re.sub(r"[ \t]+", " ", soup.get_text())
    return [_Part(re.sub(r"\s*\n\s*\n\s*", "\n\n", text), _titled(title))]


def _from_rst(data: bytes) -> list[_Part]:
    # Without _disable_config a docutils.conf could allow files and raw blocks again.
    settings = {"_disable_config": True, "file_insertion_enabled": False, "raw_enabled": False,
                "halt_level": 5, "report_level": 5, "syntax_highlight": "none",
                "warning_stream": False}  # fmt: skip
    core, nodes = require("docutils.core", "files"), require("docutils.nodes", "files")
    tree = core.publish_doctree(data.decode("utf-8-sig"), settings_overrides=settings)
    for message in list(tree.findall(nodes.system_message)):
        unknown = message[0].astext().startswith("Unknown directive type")
        # Sphinx has directives of its own: what they hold is kept as it is written.
        message.parent.replace(message, message.children[1:] if unknown else [])
    for kind in (nodes.comment, nodes.raw, nodes.substitution_definition):
        for node in list(tree.findall(kind)):
            node.parent.remove(node)
    return [_Part(tree.astext(), _titled(tree.get("title")))]


def _from_pdf(data: bytes) -> list[_Part]:
    reader = require("pypdf", "files").PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        raise ValueError("it is encrypted")
    title = _titled(reader.metadata and reader.metadata.title)
    return [
        _Part(page.extract_text(), {**title, "page": number})
        for number, page in enumerate(reader.pages, start=1)
    ]


def _titled(title: str | None) -> dict[str, Any]:
    title = " ".join(str(title or "").split())
    return {"title": title} if title else {}


def _read_jsonl(path: Path) -> Iterator[FileChunk]:
    columns = _core.read_jsonl(
        str(path), required=["_id", "text"], optional=["title"], raw=["metadata"]
    )
    for row, (id_, body, title, raw) in enumerate(zip(*columns, strict=True)):
        metadata = {} if raw in (None, "null") else json.loads(raw)
        if not id_ or not isinstance(metadata, dict):
            expected = "metadata to be an object" if id_ else "an _id that is not empty"
            raise ValueError(f"{path}:{line_of(path, row)}: expected {expected}")
        metadata |= _titled(title)
        source = metadata.setdefault("source", id_)
        text = f"{title} {body}" if title else body
        yield FileChunk(id_, text, source if isinstance(source, str) else id_, metadata)


def line_of(path: Path, row: int) -> int:
    """Number of the line, from 1, that holds a record of a .jsonl file; blank lines hold none."""
    with path.open("rb") as file:
        filled = [number for number, line in enumerate(file, start=1) if line.strip(b" \t\r\n")]
    return filled[row]


_KINDS: dict[str, Callable[[bytes], list[_Part]]] = {
    ".txt": _from_text,
    ".md": _from_markdown,
    ".html": _from_html,
    ".htm": _from_html,
    ".rst": _from_rst,
    ".pdf": _from_pdf,
    ".jsonl": _from_text,  # read by the core, a line at a time
}
