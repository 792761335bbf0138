import json
import statistics
import subprocess
import sys

import ragtune

HEAVY = ["onnxruntime", "torch", "fastapi", "openai", "matplotlib", "sqlalchemy", "typer"]


def modules_after(code):
    program = f"{code}\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return json.loads(out.stdout)


def test_import_does_no_work():
    loaded = modules_after("import ragtune")
    assert not [name for name in HEAVY if name in loaded]
    assert not [name for name in loaded if name.startswith("ragtune.")]


def test_memory_needs_no_model_runtime():
    loaded = modules_after("import ragtune; ragtune.Memory, ragtune.fit, ragtune.LocalEmbedder")
    assert not [name for name in HEAVY[:5] if name in loaded]


def test_import_is_quick():
    """The bar is 150 ms (docs/measured.md has the figure); this only catches a slip."""
    program = [sys.executable, "-X", "importtime", "-c", "import ragtune"]
    times = []
    for _ in range(5):
        lines = subprocess.run(
            program, capture_output=True, text=True, check=True
        ).stderr.splitlines()
        times.append(int(next(line for line in lines if line.endswith("| ragtune")).split("|")[1]))
    assert statistics.median(times) <= 150_000


def test_every_export_exists_and_nothing_else():
    assert ragtune.__all__ == sorted(ragtune.__all__, key=lambda name: name)
    for name in ragtune.__all__:
        assert getattr(ragtune, name) is not None
    assert dir(ragtune) == ragtune.__all__


def test_unknown_name_is_an_attribute_error():
    assert not hasattr(ragtune, "nothing")
