"""Adding a task is one file, its options and one example: nothing else may know a task by name."""

import ast
from functools import cache
from pathlib import Path

import pytest

from finetune_api.tasks import Task

ROOT = Path(__file__).parents[2]
TRAINER = ROOT / "trainer_image/finetune_trainer"
OPERATOR = ROOT / "operator/finetune_operator"
API = ROOT / "crds/finetune_api"
REGISTRY = {API / "tasks/__init__.py", API / "inputs.py"}
ALLOWED = (
    "finetune_api",
    "finetune_trainer.tasks",
    "finetune_trainer.data.chats",
    "finetune_trainer.data.class_names",
    "finetune_trainer.data.columns",
    "finetune_trainer.data.problems",
    "finetune_trainer.data.structured",
    "finetune_trainer.data.template",
    "finetune_trainer.runtime.device",
    "finetune_trainer.errors",
    "finetune_trainer.models.heads",
    "finetune_trainer.models.limits",
    "finetune_trainer.models.loading",
    "finetune_trainer.log",
    "finetune_trainer.records",
)


def _imports(path: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    plain = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return plain | {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}


@cache
def _names(path: Path) -> set[str]:
    """Return names and texts in a file's code, and members of the enum as `Task.DPO`; docstrings do not count."""
    nodes = list(ast.walk(ast.parse(path.read_text())))
    documented = [node for node in nodes if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)]
    docstrings = {ast.get_docstring(node, clean=False) for node in documented}
    texts = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {ast.unparse(node) for node in nodes if isinstance(node, ast.Attribute)} | (texts - docstrings)


def _is_in(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("task", Task)
def test_a_task_has_its_two_files_and_a_page(task: Task) -> None:
    recipe = TRAINER / f"tasks/{task.member}.py"
    classes = {node.name for node in ast.parse(recipe.read_text()).body if isinstance(node, ast.ClassDef)}
    assert task.value in classes
    assert (API / f"tasks/{task.member}.py").exists()
    assert (ROOT / f"docs/tasks/{task.member.replace('_', '-')}.md").exists()


@pytest.mark.parametrize("task", Task)
def test_a_task_touches_the_frame_through_a_few_modules_only(task: Task) -> None:
    ours = {name for name in _imports(TRAINER / f"tasks/{task.member}.py") if _is_in(name, ("finetune_trainer",))}
    assert {name for name in ours if not _is_in(name, ALLOWED)} == set()


@pytest.mark.parametrize("task", Task)
def test_nobody_else_knows_the_task_by_name(task: Task) -> None:
    own = REGISTRY | {TRAINER / f"tasks/{task.member}.py", API / f"tasks/{task.member}.py"}
    sources = [path for folder in (TRAINER, OPERATOR, API) for path in folder.rglob("*.py") if path not in own]
    knowing = [path for path in sources if {task.value, f"Task.{task.name}"} & _names(path)]
    assert [str(path.relative_to(ROOT)) for path in knowing] == []
