"""Every benchmark, one after the other, kept in results/. RAGTUNE_DATA names the data sets."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NEEDS_DATA = {
    "bench_bm25.py",
    "bench_embed.py",
    "bench_extractive.py",
    "bench_jsonl.py",
    "bench_sentences.py",
    "bench_tuning.py",
}

for script in sorted(HERE.glob("bench_*.py")):
    if script.name in NEEDS_DATA and not os.environ.get("RAGTUNE_DATA"):
        print(f"{script.name}: skipped, RAGTUNE_DATA does not name the data sets")
        continue
    print(f"== {script.name}", flush=True)
    subprocess.run([sys.executable, str(script), "--save"], check=True)
