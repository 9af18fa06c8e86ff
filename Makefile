# make demo: train a small LMVP, evaluate it, leave pictures.   make test: the test suite.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo

.PHONY: demo test lint clean

demo: $(VENV)/.installed-demo
	$(BIN)/python run_train.py --dataset=moving_mnist --preset=demo --workdir=$(DEMO)
	$(BIN)/python run_eval.py --workdir=$(DEMO) --num_sequences=200

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

clean:
	rm -rf $(VENV) $(DEMO)

# One marker file per extra: a changed pyproject.toml installs again, nothing else does.
$(VENV)/.installed-%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[$*]"
	touch $@
