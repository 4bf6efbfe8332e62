"""The trainer's lines: for people, or an object each for machines."""

import json
import subprocess
import sys

import pytest

PROGRAM = """
import logging
from finetune_trainer import config, log
log.configure(config.log_format())
log.say("data", "210 rows, é")
log.about(namespace="team", name="job", run="8c1f")
log.say("train", "120/210")
log.warn("5 rows were cut off")
try:
    1 / 0
except ZeroDivisionError as error:
    logging.getLogger("finetune_trainer").error("a bug in the %s", "trainer", exc_info=error)
"""


@pytest.fixture
def lines(request: pytest.FixtureRequest) -> list[str]:
    environment = {"FINETUNE_LOG_FORMAT": request.param, "PYTHONPATH": ":".join(sys.path), "PYTHONUTF8": "1"}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


@pytest.mark.parametrize("lines", ["json"], indirect=True)
def test_each_line_is_an_object_that_names_the_run(lines: list[str]):
    first, second, warning, third = map(json.loads, lines)
    assert (first["level"], first["stage"], first["message"]) == ("info", "data", "210 rows, é")
    assert "run" not in first
    assert (second["namespace"], second["name"], second["run"], second["message"]) == ("team", "job", "8c1f", "120/210")
    assert (warning["level"], warning["message"]) == ("warning", "5 rows were cut off")
    assert "stage" not in warning
    assert (third["level"], third["message"]) == ("error", "a bug in the trainer")
    assert third["error"].endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize("lines", ["plain", ""], indirect=True)
def test_people_get_lines(lines: list[str]):
    assert lines[:3] == ["data      210 rows, é", "train     120/210", "warning   5 rows were cut off"]
    assert lines[3] == "a bug in the trainer"
