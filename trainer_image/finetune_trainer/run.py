"""`python -m finetune_trainer run`: one attempt at a job, from its file to exit code and termination report."""

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

from finetune_api.failures import EXIT_CODE_OF, ExitCode, FailureClass
from finetune_api.handoff import (
    CODE_DIRECTORY,
    PROGRESS_PORT,
    SECRETS_DIRECTORY,
    TERMINATION_LOG,
    VOLUMES_DIRECTORY,
    WORKSPACE_DIRECTORY,
    Artifact,
    Failure,
    Metrics,
    TerminationReport,
)
from finetune_trainer import log
from finetune_trainer.config import PATIENCE_SECONDS, Settings, read_request, trace_settings
from finetune_trainer.errors import OutOfMemory, Preempted, TrainerError
from finetune_trainer.pipeline import Pipeline
from finetune_trainer.runtime.batches import shrink_batches
from finetune_trainer.runtime.device import device_failure, is_out_of_memory
from finetune_trainer.runtime.full_volume import full_volume, is_full
from finetune_trainer.runtime.preemption import Preemption
from finetune_trainer.runtime.progress import ProgressBoard
from finetune_trainer.runtime.progress_server import serve_progress
from finetune_trainer.runtime.termination import write_report
from finetune_trainer.tracing import Tracing, open_tracing
from finetune_trainer.tracking import Ending

BUG_CHARACTERS = 600


def run(args: argparse.Namespace) -> int:
    """Make one attempt; return the exit code. The termination report is written whatever the end is."""
    places = args.job_file, args.workspace, args.volumes, args.secrets, args.code
    settings = Settings(*places, args.port, args.termination_log, args.patience_seconds)
    attempt = Attempt(settings)
    try:
        artifact, failure = attempt.run(), None
    except BaseException as error:
        artifact, failure = None, attempt.explain(error)
    attempt.preemption.ignore()
    has_told = attempt.end_tracking(failure)
    attempt.report(artifact, failure)
    attempt.tracing.end(failure)
    code = int(EXIT_CODE_OF[FailureClass(failure.failure_class)]) if failure else int(ExitCode.OK)
    if not has_told:
        # What the tracker's client does when Python exits may last for ever.
        sys.stdout.flush()
        os._exit(code)
    return code


class Attempt:
    """One attempt: what it needs to run, and to tell its end."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.preemption = Preemption(on_stuck=self._give_up)
        self.preemption.install()
        self.board = ProgressBoard(run_id="")
        self.tracing = Tracing()
        self.pipeline: Pipeline | None = None

    def run(self) -> Artifact:
        """Run the pipeline. Raises whatever it raises."""
        request = read_request(self.settings.job_file)
        self.board.update(run_id=request.run_id)
        serve_progress(self.board, self.settings.port, self.settings.workspace)
        log.about(namespace=request.namespace, name=request.name, run=request.run_id)
        self.tracing = open_tracing(request, trace_settings())
        log.say("run", f"{request.run_id} of {request.namespace}/{request.name}: {request.task}")
        self.pipeline = Pipeline(request, self.settings, self.board, self.preemption, self.tracing)
        return self.pipeline.run()

    def explain(self, error: BaseException) -> Failure:
        """Return the failure that an exception stands for; a bug's traceback goes to the log only."""
        known = self._known(error)
        if known is not None:
            log.say("end", f"{known.failure_class}: {known.message}")
            return known.as_failure()
        logging.getLogger("finetune_trainer").error("a bug in the trainer", exc_info=error)
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        words = f"{type(error).__name__}: {' '.join(lines)}"[:BUG_CHARACTERS] if lines else type(error).__name__
        return Failure(failure_class=FailureClass.BUG, message=f"{words}; the pod's log has the details")

    def end_tracking(self, failure: Failure | None) -> bool:
        """Let the tracker take what is left, for a moment; return whether it has."""
        if self.pipeline is None:
            return True
        killed = failure is not None and failure.failure_class is FailureClass.PREEMPTED
        ending = Ending.KILLED if killed else Ending.FAILED if failure else Ending.FINISHED
        return self.pipeline.tracking.end(ending)

    def report(self, artifact: Artifact | None, failure: Failure | None) -> None:
        """Write the termination report."""
        progress = self.board.progress
        report = TerminationReport(
            run_id=progress.run_id,
            stage=progress.stage,
            failure=failure,
            progress=progress.model_copy(update={"metrics": Metrics()}),
            metrics=progress.metrics,
            artifact=artifact,
        )
        write_report(report, self.settings.termination_log)

    def _give_up(self) -> None:
        """End at once with the report, from whatever thread."""
        failure = Preempted("told to stop; the finished stages are kept, this one starts over").as_failure()
        self.report(None, failure)
        self.tracing.end(failure)
        os._exit(ExitCode.PREEMPTED)

    def _known(self, error: BaseException) -> TrainerError | None:
        if isinstance(error, TrainerError):
            return error
        if is_out_of_memory(error):
            return self._out_of_memory()
        broken = device_failure(error)
        if broken is not None:
            return broken
        workspace = self.pipeline.workspace.folder if self.pipeline else self.settings.workspace
        scratch = Path(tempfile.gettempdir())
        return full_volume(error, workspace, scratch) if is_full(error, (workspace, scratch)) else None

    def _out_of_memory(self) -> OutOfMemory:
        """Let the next attempt use a smaller batch."""
        assert self.pipeline is not None
        batches = self.pipeline.batches
        field = "spec.training.batchSize"
        if batches.size == 1:
            advice = "a single row does not fit; use LoRA, gradientCheckpointing, a smaller maxLength or a larger GPU"
            return OutOfMemory(f"the GPU's memory is too small: {advice}", field)
        smaller = shrink_batches(batches, self.pipeline.workspace)
        return OutOfMemory(
            f"the GPU's memory is too small for batches of {batches.size}; the next attempt uses"
            f" {smaller.size} x {smaller.accumulation} (batchSize x gradientAccumulationSteps)",
            field,
        )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("job_file", type=Path, help="the job as JSON, as the operator writes it")
    parser.add_argument(
        "--workspace", type=Path, default=Path(WORKSPACE_DIRECTORY), help="folder for checkpoints and results"
    )
    parser.add_argument(
        "--volumes", type=Path, default=Path(VOLUMES_DIRECTORY), help="folder with one folder per pvc:// claim"
    )
    parser.add_argument(
        "--secrets", type=Path, default=Path(SECRETS_DIRECTORY), help="folder with one folder per Secret"
    )
    parser.add_argument("--code", type=Path, default=Path(CODE_DIRECTORY), help="folder with the job's own code")
    parser.add_argument("--port", type=int, default=PROGRESS_PORT, help="port of /progress and /metrics")
    parser.add_argument(
        "--patience-seconds",
        type=float,
        default=PATIENCE_SECONDS,
        help="how long a stage waits for a store that does not answer (default: %(default).0f)",
    )
    kubelet_log = Path(TERMINATION_LOG) if Path(TERMINATION_LOG).exists() else None
    parser.add_argument("--termination-log", type=Path, default=kubelet_log, help="file for the termination report")
