"""Write python/ragtune/_core.pyi from the compiled module, or check that it is up to date."""

import subprocess
import sys
import tempfile
from pathlib import Path

STUB = Path(__file__).parents[1] / "python/ragtune/_core.pyi"
BIN = Path(sys.executable).parent


def generated() -> str:
    """The stub of the module as it is built now, formatted."""
    with tempfile.TemporaryDirectory() as folder:
        stubgen = [sys.executable, "-m", "pybind11_stubgen", "ragtune._core", "-o", folder]
        subprocess.run(stubgen, check=True, stderr=subprocess.DEVNULL)
        text = (Path(folder) / "ragtune/_core.pyi").read_text()
    ruff = [BIN / "ruff", "format", "--stdin-filename", str(STUB), "-"]
    return subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    if "--check" not in sys.argv:
        STUB.write_text(generated())
    elif STUB.read_text() != generated():
        sys.exit("python/ragtune/_core.pyi differs from the module: run `make stubs`")
