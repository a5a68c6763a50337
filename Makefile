# Each target sets up .venv by itself. `make` alone lists them.
VENV := .venv
BIN  := $(VENV)/bin
PORT ?= 8000

# The first interpreter that the course supports; `make PYTHON=...` picks another.
SUPPORTED := -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" $(SUPPORTED) && { echo "$$p"; break; }; done)

.DELETE_ON_ERROR: # a virtual environment that was not finished is made again

.PHONY: help venv book serve lab lint format quick test bench pdf epub slides site experiments notebooks chapters colab address clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "%-12s%s\n", $$1, $$2}' Makefile

venv: $(VENV)/.ready ## set up .venv from constraints.txt

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "The course needs Python 3.11 or newer, and there is none on the PATH."; exit 1; }
	@"$(PYTHON)" $(SUPPORTED) \
		|| { echo "The course needs Python 3.11 or newer, and PYTHON=$(PYTHON) is not."; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null \
		|| { echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu, install python3-venv."; exit 1; }
	@"$(PYTHON)" -m venv $(VENV)

$(VENV)/.ready: $(BIN)/python pyproject.toml constraints.txt
	@echo "Setting up $(VENV) (a few minutes the first time, most of it downloads) ..."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# Sphinx does not repeat the warnings of pages it has read before, so a failed build leaves nothing behind.
book: venv ## build the book into _build/html
	@$(BIN)/jupyter-book build -W -n --keep-going --quiet . || { rm -rf _build; exit 1; }
	@echo "The book is at file://$(CURDIR)/_build/html/index.html"

serve: book ## build the book and serve it on localhost (PORT=8000)
	@echo "Reading room: http://localhost:$(PORT)/   (Ctrl-C closes it)"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

lab: venv ## open the notebooks in JupyterLab
	@$(BIN)/jupyter lab --notebook-dir=.

lint: venv ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: venv ## lay out code and notebooks as lint wants them
	@$(BIN)/ruff check --fix --quiet . || true
	@$(BIN)/ruff format .

quick: lint ## lint, unit tests and doctests: no notebooks, no browser, under two minutes
	@$(BIN)/python -m pytest -n 2 -q -rfEs -m "not slow" tests lstm_course --ignore=tests/book

test: lint book ## everything: lint, book build, unit tests, doctests, notebooks, browser
	@$(BIN)/python -m pytest -n 2 -q -rfEs

bench: venv ## run the benchmarks
	@$(BIN)/python -m benchmarks.imports
	@$(BIN)/python -m benchmarks.cpu
	@$(BIN)/python -m benchmarks.causes

pdf: book ## print the whole book into one PDF (needs Chromium)
	@$(BIN)/python tools/pdf.py

epub: book ## bind the whole book as an EPUB
	@$(BIN)/python tools/epub.py

slides: book ## make slides of part II, or of PAGES="book/3-learning/10-through-time ..."
	@$(BIN)/python tools/slides.py $(PAGES)

site: book ## measure how light and fast the pages are, with Lighthouse (needs Node.js)
	@$(BIN)/python -m benchmarks.site

experiments: venv ## repeat the long runs whose results the chapters load (three and a half hours)
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m lstm_course.experiments gradients_travel remembering next_character verb_number pronouns captioning digit_reading forecasting

notebooks: venv ## execute all notebooks in place and generate the student ones
	@$(BIN)/python tools/notebooks.py

colab: venv ## run chapters and exercises in an environment like Colab's, from the package alone
	@$(BIN)/python tools/colab.py

chapters: venv ## give every chapter the number that _toc.yml gives it
	@$(BIN)/python tools/chapters.py

address: venv ## set the repository's address everywhere (URL=https://github.com/...)
	@$(BIN)/python tools/address.py $(URL)

clean: ## remove what the other targets made
	rm -rf $(VENV) $(VENV)-colab _build
