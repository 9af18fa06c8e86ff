# make demo: train a small LMVP, evaluate it beside one trained for longer, leave pictures.   make test: the test suite.   make bench: speed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL ?= $(BIN)/python -m pip install --quiet --disable-pip-version-check
DEMO := runs/demo
MINE := runs/my-video
PRETRAINED := results/moving_mnist/lmvp-paper
RESULTS := docs/results
WEB := docs/web
comma := ,
space := $(subst ,, )
# The folders of results/ that hold the published runs of a dataset and a preset, as --workdirs wants them.
published = $(subst $(space),$(comma),$(sort $(patsubst %/trained.json,%,$(wildcard results/$(1)/*-$(2)/trained.json results/$(1)/*-$(2)-*/trained.json))))

.PHONY: demo my-video data-highway results test test-matrix fuzz faults soak bazel-test bazel-check bench bench-quick build-files web web-serve docs lint types clean

demo: $(VENV)/.installed-demo
	$(BIN)/python run_train.py --dataset=moving_mnist --preset=demo --workdir=$(DEMO)
	$(BIN)/python run_eval.py --workdir=$(PRETRAINED) --num_sequences=200
	$(BIN)/python run_eval.py --workdir=$(DEMO) --num_sequences=200
	$(BIN)/python run_eval.py --workdirs=$(DEMO),$(PRETRAINED) --report=$(DEMO)/report

# make my-video VIDEO="a.mp4 clips/ more/*.npy": from films to a film. Builds a data set, trains some minutes, evaluates, predicts from the
# first of them, and leaves a report. MINE=folder for the results; OPTIONS="--size=72x128" and the like for the builder.
my-video: $(VENV)/.installed-demo
	@test -n "$(VIDEO)" || { echo 'make my-video VIDEO="a.mp4 clips/ ..." wants films, folders or arrays' >&2; exit 2; }
	$(BIN)/python data/build_videos.py --input $(VIDEO) --output $(MINE)/data $(OPTIONS)
	$(BIN)/python run_train.py --dataset=video --preset=demo --data_path=$(MINE)/data --workdir=$(MINE)/run
	$(BIN)/python run_eval.py --workdir=$(MINE)/run
	$(BIN)/python run_eval.py --workdirs=$(MINE)/run --report=$(MINE)/report
	$(BIN)/python run_predict.py --workdir=$(MINE)/run --input="$(firstword $(wildcard $(VIDEO)))" --output=$(MINE)/film.gif
	@echo "Look at $(MINE)/film.gif and $(MINE)/report/index.html"

# make data-highway VIDEO="drive.mp4 other.mp4": see data/README.md for the other options.
data-highway: $(VENV)/.installed-demo
	@test -n "$(VIDEO)" || { echo 'make data-highway VIDEO="drive.mp4 ..." wants a video, a folder of frames or an HDF5 file' >&2; exit 2; }
	$(BIN)/python data/build_highway.py --input $(VIDEO) --output data/highway $(OPTIONS)

# make results: evaluates the published weights and writes the reports of docs/results.md anew. Five minutes a run, preset paper 25; all of
# MNIST is needed (MNIST=mnist.npz where Keras cannot download it), and the two data sets of roads as docs/results.md builds them. FPM's weights are
# too large to be here: FPM=WORKDIR of a run trained anew puts it into the report.
results: $(VENV)/.installed-test
	$(BIN)/python run_eval.py --report=$(RESULTS)/moving_mnist $(if $(MNIST),--mnist_path=$(MNIST)) \
		--workdirs=$(call published,moving_mnist,small)$(if $(FPM),$(comma)$(FPM))
	$(BIN)/python run_eval.py --report=$(RESULTS)/moving_mnist_paper $(if $(MNIST),--mnist_path=$(MNIST)) \
		--workdirs=$(call published,moving_mnist,paper)
	$(BIN)/python run_eval.py --report=$(RESULTS)/ablations $(if $(MNIST),--mnist_path=$(MNIST)) \
		--workdirs=$(call published,moving_mnist,small_hour)
	$(BIN)/python run_eval.py --report=$(RESULTS)/highway --workdirs=$(call published,highway,small)
	$(BIN)/python run_eval.py --report=$(RESULTS)/highway_paper --workdirs=$(call published,highway,paper)
	$(BIN)/python run_eval.py --report=$(RESULTS)/driving --data_path=data/driving --workdirs=$(call published,driving,small)

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest --numprocesses=auto --dist=worksteal

# Reads 200 damaged files of every format, and writes the table of docs/reliability.md: half an hour on two cores.
fuzz: $(VENV)/.installed-test
	$(BIN)/python tools/fuzz.py --write

# Kills training, evaluation, export and building 100 times, and writes what came of it to docs/reliability.md: 15 minutes of one core.
faults: $(VENV)/.installed-test
	$(BIN)/python tools/faults.py --write

# Trains 5,000 steps, evaluates 200 times and serves for a minute, and writes what grew to docs/reliability.md: 15 minutes of one core.
soak: $(VENV)/.installed-test
	$(BIN)/python tools/soak.py --write

# The fast tests with the oldest and the newest packages, on every Python that uv can give: half an hour a row.
test-matrix: $(VENV)/.installed-test
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python tools/test_matrix.py --write

# The same tests as a user of Bazel runs them, offline: Debian's package bazel-bootstrap has the program. An hour on two cores.
bazel-test: BAZEL := test //...
# What continuous integration runs of it: every target is built, and tests of each kind find what they need.
bazel-check: BAZEL := test //... --test_tag_filters=quick
bazel-test bazel-check: $(VENV)/.installed-test
	PYTHON_BIN_PATH=$(CURDIR)/$(BIN)/python bazel $(BAZEL); code=$$?; bazel shutdown; exit $$code

# Writes benchmarks/results.json and results.md: 15 minutes, and nothing else should run.
bench: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks

bench-quick: $(VENV)/.installed-bench
	$(BIN)/python -m benchmarks --quick

# The Python targets of every BUILD file, from the modules and their imports: after a module has come, gone or moved.
build-files:
	$(PYTHON) tools/build_files.py

# The documents as a site, in runs/site. A broken link or anchor fails.
docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Look at runs/site/index.html"

# make web: the page that predicts in the browser, with its models, into docs/web; needs Node 20 and npm. A model more is a line of
# web/models.json. make web-serve shows it at http://localhost:8000
web: $(VENV)/.installed-tflite
	$(BIN)/python web/export_models.py $(WEB)
	npm ci --prefix web --no-audit --no-fund
	npm run build --prefix web -- $(abspath $(WEB))

web-serve:
	$(PYTHON) -m http.server --directory $(WEB) --bind 127.0.0.1

types: $(VENV)/.installed-test
	$(BIN)/mypy

lint: $(VENV)/.installed-test types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

clean:
	rm -rf $(VENV) $(DEMO)

# One marker file per extra: a changed pyproject.toml installs again, nothing else does.
# INSTALL: another program than pip may install, such as uv.
$(VENV)/.installed-%: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e ".[$*]"
	touch $@
