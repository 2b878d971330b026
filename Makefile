# make demo   sets up, does the whole job on a shipped photo, says where the files are
# make app    sets up, opens the app
# make test   sets up, runs every test
# make lint   sets up, checks style and types

PHOTO := assets/examples/otters.jpg
CLICKS := --click 800,420 --click 430,230 --click 1130,440 --click 1010,500
PYTHON := .venv/bin/python

.PHONY: demo app test lint setup setup-test

setup:
	@scripts/setup run

setup-test:
	@scripts/setup test

demo: setup
	@$(PYTHON) -m editing $(PHOTO) $(CLICKS) --delete --out demo > /dev/null
	@echo "Before and after, side by side:  demo/before_after.mp4"
	@echo "The two clips:                   demo/initial.mp4  demo/edited.mp4"
	@echo "The memory as points:            demo/memory_before.ply  demo/memory_after.ply"
	@echo "Session file and figures:        demo/session.spatia  demo/report.json"
	@echo "Now open the app with:           make app"

app: setup
	@$(PYTHON) app.py

test: setup-test
	@$(PYTHON) -m pytest

lint: setup-test
	@.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/pyright
