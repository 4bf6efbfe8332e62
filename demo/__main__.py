"""`python -m demo [up|inputs|down] [--example NAME]`: one example from nothing to answers of the served model."""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import yaml
from rich.console import Console

from demo.ask import ask, forwarded, service_of
from demo.inputs import upload_inputs
from demo.install import install_operator
from demo.results import metrics_table, samples_table
from demo.stories import Manifest, Question, Story, jobs_in, load_manifests, load_story, story_names
from demo.watch import JobFailed, Status, print_until_done
from devcluster import Access, Cluster, DevclusterError, ExternalCluster

CLUSTER_NAME = "demo"
TIMEOUT_SECONDS = 600.0


def main() -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("command", choices=["up", "inputs", "down"], nargs="?", default="up")
    parser.add_argument("--example", choices=story_names(), default="imdb-sentiment", help="default: %(default)s")
    parser.add_argument("--name", default=CLUSTER_NAME, help="name of the embedded cluster (default: %(default)s)")
    arguments = parser.parse_args()
    console = Console()
    try:
        if arguments.command == "down":
            Cluster(arguments.name).down()
            return 0
        if arguments.command == "inputs":
            upload_inputs(_running(arguments.name), arguments.example, load_story(arguments.example), _cache())
            return 0
        return _up(arguments.name, arguments.example, console)
    except (DevclusterError, JobFailed) as error:
        console.print(f"[red]demo failed:[/red] {error}", highlight=False, soft_wrap=True)
        return 1


def _up(cluster_name: str, example: str, console: Console) -> int:
    started = time.monotonic()
    story, manifests = load_story(example), load_manifests(example)
    jobs = {job["metadata"]["name"]: job for job in jobs_in(manifests)}
    main_job = list(jobs)[-1]
    cluster = _cluster(cluster_name)
    console.rule("1 of 5  operator: CRD, RBAC, Deployment")
    install_operator(cluster)
    console.rule("2 of 5  base models and data into the bucket")
    upload_inputs(cluster, example, story, _cache())
    console.rule(f"3 of 5  kubectl apply -f examples/{example}/finetunejob.yaml")
    cluster.run_kubectl("apply", "-f", "-", input_text=yaml.safe_dump_all(manifests))
    statuses = {name: _follow(cluster, job, console) for name, job in jobs.items()}
    console.rule("4 of 5  tuned against base")
    broken = _show_results(cluster, story, main_job, statuses, console)
    console.rule("5 of 5  answers of the served model")
    answers = [_ask(cluster, question, question.job or main_job, statuses, console) for question in story.ask]
    console.rule(f"done in {time.monotonic() - started:.0f} s")
    _print_next(cluster, main_job, statuses[main_job], console)
    return 1 if broken or not all(answers) else 0


def _follow(cluster: Access, job: Manifest, console: Console) -> Status:
    console.print(f"FineTuneJob {job['metadata']['name']}:", style="bold", highlight=False)
    return print_until_done(cluster, job, console, TIMEOUT_SECONDS)


def _show_results(
    cluster: Access, story: Story, main_job: str, statuses: dict[str, Status], console: Console
) -> list[str]:
    """Print figures and samples of each job; return what is not as the example promises."""
    broken = []
    for name, status in statuses.items():
        console.print(metrics_table(name, status))
        samples = samples_table(cluster, status)
        if samples:
            console.print(samples)
        expected = [one for one in story.expect if (one.job or main_job) == name]
        broken += [words for one in expected for words in one.broken(status["metrics"])]
    for words in broken:
        console.print(f"[red]not as the example promises:[/red] {words}", highlight=False)
    return broken


def _cluster(name: str) -> Access:
    cluster = _running(name)
    if isinstance(cluster, Cluster):
        cluster.up()
    return cluster


def _running(name: str) -> Access:
    """Return the cluster that KUBECONFIG names, or the embedded one of this name."""
    given = os.environ.get("KUBECONFIG")
    return ExternalCluster("external", Path(given)) if given else Cluster(name)


def _ask(cluster: Access, question: Question, job: str, statuses: dict[str, Status], console: Console) -> bool:
    with forwarded(cluster, f"service/{service_of(statuses[job])}") as url:
        answer = ask(url, job, question)
    right = question.is_right(answer)
    mark = "" if right else f"  [red]wrong, should be {question.equals or question.contains}[/red]"
    console.print(f"{question.text} -> [bold]{str(answer).strip()}[/bold]{mark}", highlight=False)
    return right


def _print_next(cluster: Access, job: str, status: Status, console: Console) -> None:
    kubectl_command = f"KUBECONFIG={cluster.kubeconfig} {cluster.kubectl}"
    forward = f"{kubectl_command} port-forward service/{service_of(status)} 8080:80" if status.get("serving") else ""
    console.print("Try next:", style="bold")
    for command in (
        f"{kubectl_command} describe finetunejob {job}",
        forward,
        f"{kubectl_command} patch finetunejob {job} --type merge -p {json.dumps(json.dumps(_longer()))}",
    ):
        if command:
            console.print(f"  {command}", highlight=False, soft_wrap=True)
    console.print("Remove it all: make demo-down", highlight=False)


def _longer() -> dict[str, object]:
    return {"spec": {"training": {"epochs": 5}}}


def _cache() -> Path:
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "finetune-operator" / "models"


if __name__ == "__main__":
    sys.exit(main())
