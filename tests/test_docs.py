"""Every python block of the README and the docs runs, page by page, in the order of the page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import HashEmbedder

import ragtune.embed

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_examples_run(page, tmp_path, monkeypatch):
    """Without the model's weights a stand-in embeds; the blocks are the same."""
    monkeypatch.chdir(tmp_path)
    try:
        ragtune.embed.LocalEmbedder()
    except (ImportError, FileNotFoundError):
        monkeypatch.setattr("ragtune.embed.function.LocalEmbedder", lambda: HashEmbedder(384))
    scope: dict[str, object] = {}
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), re.M | re.S):
        exec(compile(block, page.name, "exec"), scope)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda p: p.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


def test_every_make_target_that_is_named_exists():
    makefile = (ROOT / "Makefile").read_text()
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\bmake ([a-z]+)\b(?=[`\s])", page.read_text()):
            if re.search(rf"`make {target}|^make {target}", page.read_text(), re.M):
                assert re.search(rf"^{target}:", makefile, re.M), f"{page.name}: make {target}"


def test_figures_are_those_of_the_committed_results():
    check = [sys.executable, str(ROOT / "tools/figures.py"), "--check"]
    out = subprocess.run(check, capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
