"""Metrics of the user's own: what they get and give, where their code comes from, and what is said when they fail."""

import sys
from pathlib import Path
from typing import Any

import pytest

from finetune_api.parts.metrics import MetricSpec
from finetune_trainer.config import Settings
from finetune_trainer.errors import BadMetric, BadSpec, MissingInput, Unavailable
from finetune_trainer.user_code.metric_code import keep_metrics
from finetune_trainer.user_code.own_metrics import MOST_FIGURES, OwnMetrics

SCRIPT = """\
import datasets
import evaluate
{imports}

class Own(evaluate.Metric):
    def _info(self):
        features = datasets.Features({{"predictions": datasets.{feature}, "references": datasets.{feature}}})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references{arguments}):
        {body}
"""
BODY_LINE = 11
INTEGER = 'Value("int32")'
FIELD = r"spec\.evaluation\.metrics\[own\]"
RETRY = "; correct it and set spec.retry to a new value$"
IN_CONFIG_MAP: dict[str, Any] = {"configMapKeyRef": {"name": "metrics", "key": "own.py"}}


@pytest.fixture(autouse=True)
def _own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take back what evaluate adds to the path: trainers that later tests start get the path of this process."""
    monkeypatch.setattr(sys, "path", [*sys.path])


def script(body: str, feature: str = INTEGER, arguments: str = "", imports: str = "") -> str:
    return SCRIPT.format(body=body, feature=feature, arguments=arguments, imports=imports)


def settings(folder: Path) -> Settings:
    places = {name: folder / name for name in ("job_file", "workspace", "volumes", "secrets", "code")}
    return Settings(**places, port=0, termination_log=None)


def kept(folder: Path, content: str, **fields: Any) -> tuple[MetricSpec, dict[str, str]]:
    spec = MetricSpec.model_validate({"name": "own", **IN_CONFIG_MAP, **fields})
    (folder / "code").mkdir(exist_ok=True)
    (folder / "code" / spec.code_name).write_text(content)
    return spec, keep_metrics([spec], settings(folder), folder / "kept")


def figures(folder: Path, content: str, given: tuple[Any, Any] = ([1, 0], [1, 1]), **fields: Any) -> dict[str, float]:
    spec, _ = kept(folder, content, **fields)
    return OwnMetrics([spec], folder / "kept").added({"accuracy": 0.5}, *given)


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        ('{"hits": sum(p == r for p, r in zip(predictions, references))}', {"own": 1.0}),
        ('{"a b": 1, "right": True, "rows": [1, 2], "word": "x"}', {"own_a_b": 1.0, "own_right": 1.0}),
        ('{"f": __import__("numpy").float32(0.5), "g": __import__("torch").tensor(2)}', {"own_f": 0.5, "own_g": 2.0}),
        ('{"f": float("nan"), "g": float("inf"), "h": 10**400, "i": 3}', {"own_i": 3.0}),
        ('{"f": float("nan")}', {}),
    ],
)
def test_each_number_is_a_figure_beside_those_of_the_task(
    tmp_path: Path, result: str, expected: dict[str, float]
) -> None:
    assert figures(tmp_path, script(f"return {result}")) == {"accuracy": 0.5, **expected}


def test_figures_that_would_crowd_out_all_others_are_left_out(tmp_path: Path) -> None:
    assert len(figures(tmp_path, script("return {str(n): n for n in range(99)}"))) == 1 + MOST_FIGURES


@pytest.mark.parametrize(
    ("feature", "given"),
    [
        ('Value("float32")', ([0.5], [1.0])),
        ('Sequence(datasets.Value("int32"))', ([[1, 0]], [[1, 1]])),
        ('Sequence(datasets.Value("string"))', ([["B-PER", "O"]], [["O", "O"]])),
        ('Value("string")', (["a text"], ["another"])),
    ],
)
def test_gets_what_the_model_says_and_what_is_right(tmp_path: Path, feature: str, given: tuple[Any, Any]) -> None:
    body = f"return {{'same': (predictions, references) == ({given[0]!r}, {given[1]!r})}}"
    assert figures(tmp_path, script(body, feature), given)["own"] == 1.0


def test_arguments_are_numbers_truth_values_and_texts(tmp_path: Path) -> None:
    arguments = {"a": "macro", "b": "0.5", "c": "true", "d": '"5"', "e": "[1]", "f": "NaN", "g": "3"}
    body = "return {'right': (a, b, c, d, e, f, g) == ('macro', 0.5, True, '5', '[1]', 'NaN', 3)}"
    content = script(body, arguments=", a, b, c, d, e, f, g")
    assert figures(tmp_path, content, arguments=arguments)["own"] == 1.0


def test_the_configuration_is_the_one_that_is_named(tmp_path: Path) -> None:
    content = script("return {'right': self.config_name == 'multilabel'}")
    assert figures(tmp_path, content, configName="multilabel")["own"] == 1.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (script("return 1 / 0"), f"failed in line {BODY_LINE} of own.py: ZeroDivisionError: division by zero"),
        (script("return 1"), "gave 1, expected numbers by name"),
        (script("return {'word': 'x'}"), 'gave .*"x".*, expected numbers by name'),
        (script("return {}", 'Value("string")'), "failed: ValueError: Predictions and/or references don't match"),
        (script("return {}", arguments=", average"), "failed.*missing 1 required positional argument: 'average'"),
        (script("raise SystemExit(3)"), f"failed in line {BODY_LINE} of own.py: SystemExit: 3"),
        (
            script("return {}", imports="import absent_package"),
            r"absent_package.*\(packages that .*spec\.compute\.image",
        ),
        (script("import absent_package"), r"No module named 'absent_package' \(packages that .*spec\.compute\.image\)"),
        (script("return {}", imports="raise OSError('no')"), "failed in line 3 of own.py: OSError: no"),
        (script("return {}", imports="raise ConnectionError('no')"), "failed in line 3 of own.py: ConnectionError: no"),
        ("x = 1", "has no subclass of evaluate.Metric"),
        (script("return {}").replace("evaluate.Metric)", "evaluate.Measurement)"), "has a Own, expected a subclass"),
    ],
)
def test_what_fails_is_told_with_field_place_and_line(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(BadMetric, match=f"^{FIELD}: key own.py of ConfigMap metrics .*{words}.*{RETRY}"):
        figures(tmp_path, content)


def test_a_service_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=rf"^{FIELD}: .*ConnectionError: no; the next attempt goes on"):
        figures(tmp_path, script("raise ConnectionError('no')"))


def test_a_figure_of_the_task_keeps_its_name(tmp_path: Path) -> None:
    taken = r"^spec\.evaluation\.metrics\[accuracy\]\.name: there is a figure accuracy already"
    with pytest.raises(BadMetric, match=taken):
        figures(tmp_path, script("return {'x': 1}"), name="accuracy")


def test_a_script_that_is_not_python_is_refused_before_it_runs(tmp_path: Path) -> None:
    with pytest.raises(BadSpec, match=rf"^{FIELD}\.configMapKeyRef: key own.py .*, line 1 is not Python: .*{RETRY}"):
        kept(tmp_path, "class")


def test_a_file_that_is_not_mounted_is_missing(tmp_path: Path) -> None:
    spec = MetricSpec.model_validate({"name": "own", **IN_CONFIG_MAP})
    with pytest.raises(MissingInput, match=rf"^{FIELD}\.configMapKeyRef: key own.py"):
        keep_metrics([spec], settings(tmp_path), tmp_path / "kept")


def _in_folder(folder: Path, **files: str) -> MetricSpec:
    place = folder / "volumes/tools/metrics/hits"
    place.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (place / f"{name}.py").write_text(content)
    return MetricSpec.model_validate({"name": "own", "source": "pvc://tools/metrics/hits/"})


def test_a_folder_brings_the_files_that_the_script_imports(tmp_path: Path) -> None:
    content = script("return {'x': ANSWER}", imports="from .numbers import ANSWER")
    spec = _in_folder(tmp_path, hits=content, numbers="ANSWER = 42")
    keep_metrics([spec], settings(tmp_path), tmp_path / "kept")
    assert OwnMetrics([spec], tmp_path / "kept").added({}, [1], [1]) == {"own": 42.0}


def test_the_code_stays_as_it_was_and_its_digest_tells_another(tmp_path: Path) -> None:
    spec = _in_folder(tmp_path, hits=script("return {'x': 1}"))
    first = keep_metrics([spec], settings(tmp_path), tmp_path / "kept")
    _in_folder(tmp_path, hits=script("return {'x': 2}"))
    assert OwnMetrics([spec], tmp_path / "kept").added({}, [1], [1]) == {"own": 1.0}
    assert keep_metrics([spec], settings(tmp_path), tmp_path / "kept") != first
    assert OwnMetrics([spec], tmp_path / "kept").added({}, [1], [1]) == {"own": 2.0}


def test_a_folder_without_its_script_says_what_it_holds(tmp_path: Path) -> None:
    spec = _in_folder(tmp_path, other="x = 1")
    with pytest.raises(MissingInput, match=rf"^{FIELD}\.source: .*holds no hits.py \(found: other.py\)"):
        keep_metrics([spec], settings(tmp_path), tmp_path / "kept")
