import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ragtune.files import find_files, read_files

WORDS = "alpha beta gamma delta epsilon zeta eta theta iota kappa "


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path, **kwargs):
    return list(read_files([path], **kwargs))


def pdf(*pages, title=None, password=None):
    """A PDF with one line of Helvetica a page."""
    pypdf = pytest.importorskip("pypdf")
    generic = pytest.importorskip("pypdf.generic")
    writer = pypdf.PdfWriter()
    name = generic.NameObject
    font = generic.DictionaryObject(
        {name("/Type"): name("/Font"), name("/Subtype"): name("/Type1"),
         name("/BaseFont"): name("/Helvetica")}
    )  # fmt: skip
    for text in pages:
        page = writer.add_blank_page(300, 300)
        stream = generic.DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 200 Td ({text}) Tj ET".encode())
        page[name("/Contents")] = writer._add_object(stream)
        page[name("/Resources")] = generic.DictionaryObject(
            {name("/Font"): generic.DictionaryObject({name("/F1"): writer._add_object(font)})}
        )
    if title:
        writer.add_metadata({"/Title": title})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    written = io.BytesIO()
    writer.write(written)
    return written.getvalue()


# -- kinds ------------------------------------------------------------------------------------


def test_folder_of_all_kinds_is_read_in_the_order_of_its_paths(tmp_path):
    write(tmp_path / "docs/a.txt", "plain text")
    write(tmp_path / "docs/b.md", "# Head\n\nmarked text")
    write(tmp_path / "docs/c.html", "<p>hyper text</p>")
    write(tmp_path / "docs/d.HTM", "<p>older hyper text</p>")
    write(tmp_path / "docs/e.rst", "structured *text*")
    write(tmp_path / "docs/f.pdf", pdf("portable text"))
    write(tmp_path / "docs/g.jsonl", '{"_id": "x", "text": "listed text"}\n')
    write(tmp_path / "docs/sub/h.txt", "deeper text")
    chunks = read("docs")
    assert [(chunk.id, chunk.text) for chunk in chunks] == [
        ("docs/a.txt#0", "plain text"),
        ("docs/b.md#0", "# Head\n\nmarked text"),
        ("docs/c.html#0", "hyper text"),
        ("docs/d.HTM#0", "older hyper text"),
        ("docs/e.rst#0", "structured text"),
        ("docs/f.pdf#0", "portable text"),
        ("x", "listed text"),
        ("docs/sub/h.txt#0", "deeper text"),
    ]
    assert chunks[0].source == chunks[0].metadata["source"] == "docs/a.txt"


def test_long_text_is_cut_into_numbered_chunks_within_the_limits(tmp_path):
    write(tmp_path / "long.txt", "\n\n".join([WORDS * 3] * 20))
    chunks = read("long.txt", chunk_chars=(200, 500))
    assert [chunk.id for chunk in chunks] == [f"long.txt#{i}" for i in range(len(chunks))]
    assert len(chunks) > 5
    assert all(len(chunk.text) <= 500 for chunk in chunks)
    assert " ".join(" ".join(c.text for c in chunks).split()) == (WORDS * 60).strip()


def test_markdown_is_cut_at_headings_and_its_first_one_is_the_title(tmp_path):
    write(tmp_path / "a.md", f"# The guide #\n\n{WORDS * 5}\n\n## Second\n\n{WORDS * 5}\n")
    chunks = read("a.md", chunk_chars=(200, 400))
    assert [chunk.text.split("\n")[0] for chunk in chunks] == ["# The guide #", "## Second"]
    assert {chunk.metadata["title"] for chunk in chunks} == {"The guide"}


def test_heading_is_not_left_alone_where_it_fits_before_its_text(tmp_path):
    sections = "".join(f"## Head {i}\n\n{WORDS * 2}\n\n{WORDS * 2}\n\n" for i in range(6))
    write(tmp_path / "a.md", f"# Title\n\n{sections}")
    chunks = read("a.md", chunk_chars=(100, 260))
    assert all("alpha" in chunk.text and len(chunk.text) <= 260 for chunk in chunks)


def test_html_gives_its_text_without_scripts_styles_and_navigation(tmp_path):
    page = """<html><head><title>My  page</title><style>p {color: red}</style></head><body>
    <nav><a href="/">home</a></nav><h1>Top</h1><p>Some <b>bold</b> words.</p>
    <script>alert("no")</script><ul><li>one</li><li>two</li></ul><!-- secret --></body></html>"""
    write(tmp_path / "a.html", page)
    (chunk,) = read("a.html")
    assert chunk.text == "Top\n\nSome bold words.\n\none\n\ntwo"
    assert chunk.metadata == {"source": "a.html", "title": "My page"}


def test_html_in_a_declared_encoding_is_decoded(tmp_path):
    page = '<meta charset="iso-8859-1"><p>Käse</p>'
    write(tmp_path / "a.html", page.encode("latin-1"))
    assert read("a.html")[0].text == "Käse"


def test_rst_reads_no_other_file_and_keeps_no_raw_block(tmp_path):
    write(tmp_path / "secret.txt", "SECRET")
    write(tmp_path / "docutils.conf", "[general]\nfile_insertion_enabled: yes\nraw_enabled: yes\n")
    source = """Title
=====

Before.

.. include:: secret.txt

.. csv-table:: stolen
   :file: secret.txt

.. raw:: html

   <b>RAW</b>

.. raw:: html
   :file: secret.txt

.. literalinclude:: secret.txt

.. a comment

After.
"""
    write(tmp_path / "a.rst", source)
    (chunk,) = read("a.rst")
    assert "SECRET" not in chunk.text
    assert "RAW" not in chunk.text
    assert "a comment" not in chunk.text
    assert chunk.text.startswith("Title\n\nBefore.")
    assert chunk.text.endswith("After.")
    assert chunk.metadata["title"] == "Title"


def test_rst_keeps_what_stands_in_directives_of_sphinx(tmp_path, capsys):
    write(tmp_path / "a.rst", ".. function:: dedent(text)\n\n   Remove margins, see :func:`x`.\n")
    assert "Remove margins" in read("a.rst")[0].text
    assert capsys.readouterr().err == ""


def test_pdf_pages_are_numbered(tmp_path):
    write(tmp_path / "a.pdf", pdf("first page", "second page", title="Handbook"))
    assert [(c.id, c.text, c.metadata) for c in read("a.pdf")] == [
        ("a.pdf#0", "first page", {"source": "a.pdf", "title": "Handbook", "page": 1}),
        ("a.pdf#1", "second page", {"source": "a.pdf", "title": "Handbook", "page": 2}),
    ]


def test_jsonl_lines_are_documents_with_their_own_ids(tmp_path):
    lines = [
        {"_id": "x", "title": "Head", "text": "body", "metadata": {"page": 3}},
        {"_id": "y", "text": "", "metadata": {"source": "book"}},
        {"_id": "z", "text": "t", "metadata": None},
    ]
    write(tmp_path / "c.jsonl", "\n\n".join(map(json.dumps, lines)))
    assert [(c.id, c.text, c.source, c.metadata) for c in read("c.jsonl")] == [
        ("x", "Head body", "x", {"page": 3, "title": "Head", "source": "x"}),
        ("y", "", "book", {"source": "book"}),
        ("z", "t", "z", {"source": "z"}),
    ]


@pytest.mark.parametrize("ending", ["txt", "md", "html", "rst", "pdf", "jsonl"])
@pytest.mark.parametrize("content", [b"", b" \n\n"])
def test_empty_file_gives_no_chunks(tmp_path, ending, content):
    write(tmp_path / f"a.{ending}", content)
    assert read(f"a.{ending}") == []


# -- what cannot be read ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.txt", b"caf\xe9", "utf-8"),
        ("a.md", b"\xff\xfe\x00", "utf-8"),
        ("a.rst", b"\xff", "utf-8"),
        ("a.pdf", b"%PDF-1.4 cut off", "pdf"),
    ],
)
def test_file_that_cannot_be_decoded_is_named_with_the_reason(tmp_path, name, content, reason):
    write(tmp_path / name, content)
    with pytest.raises(ValueError, match=rf"^{name}: cannot be read as .*{reason}"):
        read(name)


def test_encrypted_pdf_is_refused(tmp_path):
    write(tmp_path / "a.pdf", pdf("text", password="secret"))
    with pytest.raises(ValueError, match=r"a\.pdf: cannot be read as .pdf: it is encrypted"):
        read("a.pdf")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"_id": "y"}', "text"),
        ("{", ""),
        ('{"_id": "y", "text": "t", "metadata": [1]}', "metadata"),
        ('{"_id": "", "text": "t"}', "_id"),
    ],
)
def test_bad_line_of_jsonl_is_named(tmp_path, line, reason):
    write(tmp_path / "a.jsonl", '{"_id": "x", "text": "t"}\n\n' + line + "\n")
    with pytest.raises(ValueError, match=rf"a\.jsonl:3: .*{reason}"):
        read("a.jsonl")


def test_id_that_comes_twice_is_refused_with_both_files(tmp_path):
    write(tmp_path / "a.jsonl", '{"_id": "x", "text": "t"}')
    write(tmp_path / "b.jsonl", '{"_id": "x", "text": "t"}')
    with pytest.raises(ValueError, match=r"b\.jsonl: expected new ids, got 'x'.*a\.jsonl"):
        read(".")


@pytest.mark.parametrize("limits", [(0, 10), (20, 10), (-1, -1)])
def test_chunk_limits_that_are_no_range_are_refused(tmp_path, limits):
    write(tmp_path / "a.txt", "text")
    with pytest.raises(ValueError, match="chunk_chars: expected 1 <= least <= most"):
        read("a.txt", chunk_chars=limits)


def test_missing_path_is_named():
    with pytest.raises(FileNotFoundError, match="nowhere: expected a file or a folder"):
        read("nowhere")


def test_missing_package_is_named_with_the_command(tmp_path, monkeypatch):
    write(tmp_path / "a.txt", "text")
    monkeypatch.setitem(sys.modules, "semantic_text_splitter", None)
    with pytest.raises(ImportError, match=r'pip install "ragtune\[files\]"'):
        read("a.txt")


def test_import_loads_no_optional_package():
    code = (
        "import sys, ragtune.files\n"
        "extra = {'bs4', 'docutils', 'pypdf', 'semantic_text_splitter'}\n"
        "assert not extra & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


# -- finding ----------------------------------------------------------------------------------


def test_hidden_files_and_unknown_endings_are_passed_over_and_counted(tmp_path):
    write(tmp_path / "docs/a.txt", "text")
    write(tmp_path / "docs/.hidden.txt", "no")
    write(tmp_path / "docs/.git/b.txt", "no")
    write(tmp_path / "docs/c.docx", "no")
    found = find_files(["docs"])
    assert [path.as_posix() for path in found.files] == ["docs/a.txt"]
    assert sorted((path.as_posix(), reason) for path, reason in found.skipped) == [
        ("docs/.git", "hidden"),
        ("docs/.hidden.txt", "hidden"),
        ("docs/c.docx", "unknown ending '.docx'"),
    ]


def test_memory_among_the_files_is_not_looked_into(tmp_path):
    write(tmp_path / "a.txt", "text")
    write(tmp_path / "memory.ragtune/store.sqlite", b"")
    write(tmp_path / "memory.ragtune/models/a.txt", "no")
    assert find_files(["."]).files == (Path("a.txt"),)
    assert find_files(["."]).skipped == ()


def test_links_out_of_the_folder_are_not_followed(tmp_path):
    write(tmp_path / "outside/secret.txt", "SECRET")
    write(tmp_path / "docs/a.txt", "text")
    (tmp_path / "docs/file.txt").symlink_to(tmp_path / "outside/secret.txt")
    (tmp_path / "docs/folder").symlink_to(tmp_path / "outside")
    (tmp_path / "docs/loop").symlink_to(tmp_path / "docs")
    (tmp_path / "docs/broken.txt").symlink_to(tmp_path / "nowhere")
    found = find_files(["docs"])
    assert [path.as_posix() for path in found.files] == ["docs/a.txt"]
    assert len(found.skipped) == 4


def test_link_to_a_hidden_file_within_the_folder_is_followed_once(tmp_path):
    write(tmp_path / "docs/.data/a.txt", "text")
    (tmp_path / "docs/a.txt").symlink_to(".data/a.txt")
    write(tmp_path / "docs/b.txt", "text")
    (tmp_path / "docs/c.txt").symlink_to("b.txt")
    assert sorted(path.name for path in find_files(["docs"]).files) == ["a.txt", "b.txt"]


def test_file_that_is_named_twice_is_read_once(tmp_path):
    write(tmp_path / "docs/a.txt", "text")
    assert len(list(read_files(["docs", "docs/a.txt", tmp_path / "docs"]))) == 1


def test_file_has_one_name_however_it_is_reached(tmp_path):
    write(tmp_path / "docs/a.txt", "text")
    paths = ["docs", "docs/a.txt", "./docs/../docs", tmp_path / "docs"]
    assert {read(path)[0].id for path in paths} == {"docs/a.txt#0"}


def test_file_outside_of_the_working_directory_has_its_absolute_name(tmp_path, monkeypatch):
    write(tmp_path / "docs/a.txt", "text")
    write(tmp_path / "work/b.txt", "text")
    monkeypatch.chdir(tmp_path / "work")
    absolute = (tmp_path / "docs/a.txt").as_posix()
    assert [chunk.source for chunk in read_files(["../docs", "."])] == [absolute, "b.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_folder_that_may_not_be_read_is_an_error(tmp_path):
    write(tmp_path / "docs/closed/a.txt", "text")
    (tmp_path / "docs/closed").chmod(0)
    with pytest.raises(PermissionError):
        find_files(["docs"])
