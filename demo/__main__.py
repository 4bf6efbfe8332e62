"""`python -m demo [up|down] [--example NAME]`: one example from nothing to answers of the served model."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import yaml
from rich.console import Console

from demo.ask import classify, complete, forwarded
from demo.inputs import upload_inputs
from demo.install import install_operator
from demo.results import metrics_table, samples_table
from demo.stories import Story, load_manifest, load_story, story_names
from demo.watch import JobFailed, Status, print_until_served
from devcluster import Access, Cluster, DevclusterError, ExternalCluster

CLUSTER_NAME = "demo"
TIMEOUT_SECONDS = 600.0


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("command", choices=["up", "down"], nargs="?", default="up")
    parser.add_argument("--example", choices=story_names(), default="imdb-sentiment", help="default: %(default)s")
    parser.add_argument("--name", default=CLUSTER_NAME, help="name of the embedded cluster (default: %(default)s)")
    arguments = parser.parse_args()
    console = Console()
    try:
        if arguments.command == "down":
            Cluster(arguments.name).down()
            return 0
        return _up(arguments.name, arguments.example, console)
    except (DevclusterError, JobFailed) as error:
        console.print(f"[red]demo failed:[/red] {error}", highlight=False, soft_wrap=True)
        return 1


def _up(cluster_name: str, example: str, console: Console) -> int:
    started = time.monotonic()
    story, manifest = load_story(example), load_manifest(example)
    cluster = _cluster(cluster_name)
    console.rule("1 of 5  operator: CRD, RBAC, Deployment")
    install_operator(cluster)
    console.rule("2 of 5  base model and data into the bucket")
    upload_inputs(cluster, example, story, _cache())
    console.rule(f"3 of 5  kubectl apply -f examples/{example}/finetunejob.yaml")
    cluster.run_kubectl("apply", "-f", "-", input_text=yaml.safe_dump(manifest))
    status = print_until_served(cluster, manifest["metadata"]["name"], console, TIMEOUT_SECONDS)
    console.rule("4 of 5  tuned against base")
    console.print(metrics_table(status))
    samples = samples_table(cluster, status)
    if samples:
        console.print(samples)
    console.rule("5 of 5  answers of the served model")
    right = _ask(cluster, story, manifest["metadata"]["name"], status, console)
    console.rule(f"done in {time.monotonic() - started:.0f} s")
    _print_next(cluster, manifest["metadata"]["name"], status, console)
    return 0 if right else 1


def _cluster(name: str) -> Access:
    if given := os.environ.get("KUBECONFIG"):
        return ExternalCluster("external", Path(given))
    own = Cluster(name)
    own.up()
    return own


def _ask(cluster: Access, story: Story, job: str, status: Status, console: Console) -> bool:
    service = status["serving"]["url"].removeprefix("http://").split(".")[0]
    right = True
    with forwarded(cluster, f"service/{service}") as url:
        if story.classify:
            results = classify(url, [question.text for question in story.classify])
            for question, result in zip(story.classify, results, strict=True):
                good = result["label"] == question.label
                right = right and good
                mark = "right" if good else f"wrong, should be {question.label}"
                console.print(f"{result['label']} ({result['score']:.2f}, {mark}): {question.text}", highlight=False)
        for prompt in story.complete:
            text = complete(url, job, prompt)
            right = right and bool(text.strip())
            console.print(f"{prompt}[bold]{text}[/bold]", highlight=False)
    return right


def _print_next(cluster: Access, job: str, status: Status, console: Console) -> None:
    service = status["serving"]["url"].removeprefix("http://").split(".")[0]
    kubectl_command = f"KUBECONFIG={cluster.kubeconfig} {cluster.kubectl}"
    console.print("Try next:", style="bold")
    for command in (
        f"{kubectl_command} describe finetunejob {job}",
        f"{kubectl_command} port-forward service/{service} 8080:80",
        f"{kubectl_command} patch finetunejob {job} --type merge -p {json.dumps(json.dumps(_longer()))}",
    ):
        console.print(f"  {command}", highlight=False, soft_wrap=True)
    console.print("Remove it all: make demo-down", highlight=False)


def _longer() -> dict[str, object]:
    return {"spec": {"training": {"epochs": 5}}}


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "finetune-operator" / "models"


if __name__ == "__main__":
    sys.exit(main())
