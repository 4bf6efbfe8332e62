"""Argo CD's health check and actions, run as Argo CD runs them, on statuses that the operator's code made."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from lupa import lua51

from finetune_operator.kinds import Manifest
from tests.unit.operator import argocd_files
from tests.unit.operator.argocd_files import CONFIG_MAP, SCRIPTS
from tests.unit.operator.argocd_lua import Sandbox

ACTIONS = SCRIPTS / "actions"
CLOCK = {"!%Y-%m-%dT%H:%M:%SZ": "2026-01-02T03:04:05Z", "!%Y%m%d-%H%M%S": "20260102-030405"}
SETTINGS = yaml.safe_load(CONFIG_MAP.read_text())["data"]
HEALTH = SETTINGS["resource.customizations.health.finetune.dev_FineTuneJob"]
SETTINGS_OF_ACTIONS = yaml.safe_load(SETTINGS["resource.customizations.actions.finetune.dev_FineTuneJob"])
SCRIPT_OF = {found["name"]: found["action.lua"] for found in SETTINGS_OF_ACTIONS["definitions"]}


def content(path: Path) -> Any:
    return yaml.load(path.read_text(), yaml.CSafeLoader)


def named(test: Manifest) -> str:
    situation = Path(test["inputPath"]).stem
    return f"{test['action']}-{situation}" if "action" in test else situation


@pytest.fixture(scope="module")
def lua() -> Sandbox:
    return Sandbox(CLOCK)


@pytest.mark.parametrize("test", content(SCRIPTS / "health_test.yaml")["tests"], ids=named)
def test_health(lua: Sandbox, test: Manifest) -> None:
    assert lua.run(HEALTH, content(SCRIPTS / test["inputPath"])) == test["healthStatus"]


@pytest.mark.parametrize("test", content(ACTIONS / "action_test.yaml")["discoveryTests"], ids=named)
def test_actions_that_are_offered(lua: Sandbox, test: Manifest) -> None:
    offered = lua.run(SETTINGS_OF_ACTIONS["discovery.lua"], content(ACTIONS / test["inputPath"]))
    assert offered == {found.pop("name"): found for found in test["result"]}


@pytest.mark.parametrize("test", content(ACTIONS / "action_test.yaml")["actionTests"], ids=named)
def test_action(lua: Sandbox, test: Manifest) -> None:
    after = lua.run(SCRIPT_OF[test["action"]], content(ACTIONS / test["inputPath"]))
    assert after == content(ACTIONS / test["expectedOutputPath"])


def test_job_that_has_no_status_yet_progresses(lua: Sandbox) -> None:
    seen = lua.run(HEALTH, {"metadata": {"generation": 1}, "spec": {}})
    assert seen == {"status": "Progressing", "message": "The operator has not seen the job yet."}


def test_generated_files_are_current() -> None:
    wanted = argocd_files.files()
    stale = {path.name for path in wanted if not path.exists() or path.read_text() != wanted[path]}
    stale |= {path.name for path in argocd_files.generated() - wanted.keys()}
    assert not stale, "write them with `python -m tests.unit.operator.argocd_files`, and look at what changes"


@pytest.mark.parametrize(
    "script", ["return os.time()", "return ('a'):upper()", "return require('io')", "return math.pi"]
)
def test_sandbox_has_no_more_than_argo_cd_gives(lua: Sandbox, script: str) -> None:
    with pytest.raises(lua51.LuaError):
        lua.run(script, {})
