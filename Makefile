# Everything a newcomer needs: `make demo`, `make test`; `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed
DEMO := _build/demo
ASSIGNMENTS := $(notdir $(patsubst %/,%,$(wildcard exercises/source/*/)))
# Options for JupyterLab: as root, such as in a container, make lab LAB_OPTIONS=--allow-root
LAB_OPTIONS ?=
# The kernels that Jupyter starts are those of the virtual environment.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# What one user has set up for Jupyter or Python must not change the course.
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test book lab serve release bench pictures clean distclean

help: ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP) ## make .venv and install the pinned dependencies

$(STAMP): constraints.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed; name one: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP) book ## build the book, release all assignments, grade the sample class, report
	rm -rf $(DEMO)
	mkdir -p $(DEMO)
	cp exercises/nbgrader_config.py $(DEMO)/
	cp -r exercises/source $(DEMO)/source
	rm -f $(DEMO)/source/*/*.ipynb
	autograder release $(ASSIGNMENTS) --course $(DEMO)
	autograder sample-class $(ASSIGNMENTS) --course $(DEMO) --size 30
	autograder grade $(ASSIGNMENTS) --course $(DEMO) --quiet
	@echo "Book:           $(CURDIR)/_build/html/index.html"

test: $(STAMP) ## run every check and test
	ruff check .
	ruff format --check .
	mypy
	pytest -n logical --maxprocesses 4 --dist loadfile -m "not alone"
	pytest -m alone

# What `jupyter-book build` does, but with several pages at a time.
book: $(STAMP) ## build the book into _build/html; a failing cell fails the build
	jupyter-book config sphinx . >/dev/null
	OMP_NUM_THREADS=1 PYTHONPATH=chapters/_ext sphinx-build . _build/html -d _build/.doctrees -j auto -n -W --keep-going -q

release: $(STAMP) ## release every assignment into exercises/release
	autograder release $(ASSIGNMENTS)

lab: release ## open JupyterLab on your own copies of the assignments, in workspace/
	mkdir -p workspace
	for folder in exercises/release/*/; do \
	    [ -e workspace/$$(basename $$folder) ] || cp -r $$folder workspace/; done
	cd workspace && jupyter lab $(LAB_OPTIONS)

serve: book ## show the book at http://localhost:8000
	$(VENV)/bin/python -m http.server 8000 --bind 127.0.0.1 --directory _build/html

bench: $(STAMP) ## measure, print a table and write bench/results.json
	$(VENV)/bin/python bench/run.py

pictures: $(STAMP) ## take the README's pictures anew, with Chromium
	$(VENV)/bin/python docs/take_pictures.py

clean: ## remove everything that was made, but the virtual environment and workspace/
	rm -rf _build conf.py chapters/figures/*.svg bench/results.json exercises/release exercises/source/*/*.ipynb
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis

distclean: clean ## remove the virtual environment too
	rm -rf $(VENV)
