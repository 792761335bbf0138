"""Rules of the code base that a machine can keep."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "python/ragtune"
PYTHON = sorted(PACKAGE.rglob("*.py"))
CPP = sorted((ROOT / "src").rglob("*.?pp"))
FOLDERS = "", "docs", "notebooks", "benchmarks", "python", "src", "tests", "tools", ".github"
ENDINGS = {".md", ".py", ".ipynb", ".json", ".cpp", ".hpp", ".toml", ".txt", ".yaml", ".yml", ".sh"}
TEXTS = sorted(
    path
    for folder in FOLDERS
    for path in (ROOT / folder).glob("**/*" if folder else "*")
    if path.is_file() and (path.suffix in ENDINGS or path.name == "Makefile")
)

# module -> the layer it is in; a module imports from its own layer and from lower ones.
# fmt: off
LAYERS = [
    {"types", "events"},
    {"arrays", "inputs", "calibration", "lesson", "filters", "sentences",
     "side_by_side"},
    {"store", "embed", "questions", "evaluation", "index", "files", "legs",
     "demo.stdlib", "demo.stdlib_names"},
    {"ranking", "report", "report_details", "features", "inverse_cloze", "training_data", "plots",
     "space"},
    {"gate", "folds", "fusion", "crossfit", "full_model", "strategies"},
    {"learners", "model", "model_file", "judged_table", "explanation", "overlay"},
    {"adapters", "stacking"},
    {"fusing"},
    {"tuning", "registry", "chunk_index", "chunk_cache", "chunk_words", "chunk_facts",
     "chunk_parts"},
    {"learning", "measuring", "retrieval"},
    {"runs", "memory_questions", "models", "datasets", "jobs"},
    {"deep_memory", "memory"},
    {"jobs.child"},
    {"demo", "cli", "integrations"},
]
NUMBERS = {"arrays", "index", "evaluation", "report", "inverse_cloze", "training_data",
           "strategies", "tuning", "adapters", "crossfit", "fusing", "learners", "overlay",
           "legs", "features", "fusion", "full_model",
           "model", "model_file", "memory", "learning", "measuring", "questions",
           "report_details", "calibration", "registry", "chunk_index", "chunk_words",
           "chunk_parts", "files", "side_by_side", "cli"}
# fmt: on


def module_of(path):
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def layer_of(module):
    for number, names in enumerate(LAYERS):
        if module in names:
            return number
    top = module.partition(".")[0]
    return next((n for n, names in enumerate(LAYERS) if top in names), None)


def imports_of(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ragtune"):
            base = node.module.removeprefix("ragtune").lstrip(".")
            for alias in node.names:
                yield base or alias.name


@pytest.mark.parametrize("path", CPP, ids=lambda p: p.name)
def test_core_knows_nothing_of_python(path):
    includes = re.search(r"#include\s*[<\"](pybind11|Python\.h|numpy)", path.read_text())
    assert path.parent.name == "bind" or not includes


@pytest.mark.parametrize("path", PYTHON, ids=module_of)
def test_imports_point_down(path):
    module = module_of(path)
    if not module:
        return  # the package itself only names what lives where
    own = layer_of(module)
    assert own is not None, f"{module} has no layer"
    for imported in imports_of(path):
        if imported == "_core":
            assert module.partition(".")[0] in NUMBERS, f"{module} imports _core"
        else:
            assert layer_of(imported) <= own, f"{module} imports {imported}"


@pytest.mark.parametrize("path", PYTHON + CPP, ids=lambda p: p.name)
def test_file_fits_in_the_head(path):
    assert len(path.read_text().splitlines()) <= 330


@pytest.mark.parametrize("path", PYTHON, ids=module_of)
def test_functions_fit_on_a_screen(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            doc = ast.get_docstring(node, clean=False) or ""
            length = node.end_lineno - node.lineno - doc.count("\n")
            assert length <= 50, f"{node.name}: {length} lines"


@pytest.mark.parametrize("path", TEXTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_names_a_machine(path):
    text = path.read_text()
    for parts in (("/wo", "rk/"), ("/ro", "ot/"), ("pypi", ".org"), ("../sha", "red/")):
        assert "".join(parts) not in text


@pytest.mark.parametrize("path", PYTHON, ids=module_of)
def test_nothing_is_unpickled_or_evaluated(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"eval", "exec"}
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {alias.name for alias in node.names} | {getattr(node, "module", "") or ""}
            assert not names & {"pickle", "marshal", "shelve", "dill", "joblib"}


def test_version_stands_once():
    assert 'version = "' in (ROOT / "pyproject.toml").read_text()
    assert not any("__version__ =" in path.read_text() for path in PYTHON)
