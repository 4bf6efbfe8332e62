"""The run as a story: data, model, baseline, train, evaluate, export, push."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TypeVar

from finetune_api.handoff import Artifact, RunRequest, Stage
from finetune_api.parts.sources import Source, publication
from finetune_api.spec.model import ModelSpec
from finetune_trainer.config import Settings, prepare_environment, pretends_gpus, spec_source
from finetune_trainer.errors import BadMetric, CorruptArtifact
from finetune_trainer.log import say, silence_transformers
from finetune_trainer.records import (
    DataRecord,
    EvaluateRecord,
    Evaluation,
    ExportRecord,
    ModelRecord,
    PushRecord,
    Results,
    TrainRecord,
)
from finetune_trainer.runtime.batches import Batches, current_batches
from finetune_trainer.runtime.device import Device, choose_device
from finetune_trainer.runtime.patience import Patience
from finetune_trainer.runtime.preemption import Preemption
from finetune_trainer.runtime.progress import ProgressBoard, duration
from finetune_trainer.runtime.turns import take_turn
from finetune_trainer.runtime.workspace import Workspace
from finetune_trainer.stages.data import prepare_data
from finetune_trainer.stages.evaluate import Judge
from finetune_trainer.stages.export import export
from finetune_trainer.stages.judging import (
    BASELINE,
    METRICS,
    forget_failed_metrics,
    forget_other_judgements,
    misses_models,
)
from finetune_trainer.stages.model import fetch_model
from finetune_trainer.stages.push import belongs_to_another, push
from finetune_trainer.stages.train import Training, warn_of_truncation
from finetune_trainer.storage import Storage, open_storage
from finetune_trainer.tasks import recipe_for
from finetune_trainer.tracing import Tracing, outcome_of
from finetune_trainer.tracking import Tracking, check_tracking, open_tracking
from finetune_trainer.user_code.code import keep_code
from finetune_trainer.user_code.metric_code import keep_metrics
from finetune_trainer.user_code.own_metrics import OwnMetrics

Record = TypeVar("Record")
DESTINATION_FIELD = "spec.output.destination"
REPEATABLE = (Stage.DATA, Stage.MODEL, Stage.PUSH)
"""Stages that ask services, and may be done again from their beginning at any time."""
WAITING_CHARACTERS = 600


class Pipeline:
    """One run in one workspace; every stage is skipped if its marker is there."""

    def __init__(
        self,
        request: RunRequest,
        settings: Settings,
        board: ProgressBoard,
        preemption: Preemption,
        tracing: Tracing,
    ) -> None:
        self.request = request
        self.settings = settings
        self.board = board
        self.preemption = preemption
        self.recipe = recipe_for(request)
        self.workspace = Workspace(settings.workspace, request.run_id, request.uid)
        self.tracking = Tracking()
        self.tracing = tracing

    def run(self) -> Artifact:
        """Take the job from data to a published model.

        Raises the errors of `finetune_trainer.errors`; whatever else is raised is a bug.
        """
        check_tracking(self.request.tracking)
        turn = take_turn(self.workspace.folder, self._waiting)
        self.workspace.prune_old_runs()
        forget_other_judgements(self.request, self.workspace)
        self._check_device()
        self._probe()
        data = self._data()
        model = self._model()
        metric_code = self._metric_code()
        baseline = self._baseline(data, model) if self.request.evaluation.baseline else None
        prepare_environment(self.request)
        self.tracking = open_tracking(self.request, self.settings, self.board, self.workspace)
        train = self._train(data, model)
        evaluate = self._evaluate(data, model, train, baseline, metric_code)
        exported = self._export(Results(data, model, train, evaluate))
        pushed = self._push(exported, model)
        self.tracking.note({"finetune.dev/artifact": pushed.uri, "finetune.dev/artifact-digest": pushed.digest})
        self._finish(evaluate)
        turn.release()
        return Artifact(
            uri=pushed.uri, digest=pushed.digest, size_bytes=pushed.size_bytes, base_revision=pushed.base_revision
        )

    def _waiting(self, words: str | None) -> None:
        """Tell, in log and status, what the run waits for; None when it goes on."""
        say("wait", words or "going on")
        self.board.update(waiting=words and words[:WAITING_CHARACTERS])

    @property
    def _patience(self) -> Patience:
        return Patience(self.settings.patience_seconds, self._waiting)

    def _probe(self) -> None:
        """Make sure that the result can be published before hours are spent on it."""
        if self.workspace.read_marker(Stage.PUSH, PushRecord) is None:
            self._patience.until_available(lambda: self._output(self._destination()).probe())

    @property
    def batches(self) -> Batches:
        """The batch sizes of this attempt."""
        return current_batches(self.request.training, self.request.evaluation, self.workspace)

    @cached_property
    def _device(self) -> Device:
        """What to compute on; chosen when a stage first needs it, since that imports the training libraries."""
        threads = prepare_environment(self.request)
        silence_transformers()
        compute, pretended = self.request.compute, pretends_gpus()
        device = choose_device(self.request.training.precision, compute, threads, pretended=pretended)
        if compute.gpus and device.name == "cpu":
            self.board.warn("The run computes on the CPU: the GPUs of this cluster are pretended.")
        return device

    def _check_device(self) -> None:
        """Look for the GPU before anything is fetched for it, unless all that needs one is done."""
        if self.request.compute.gpus and self.workspace.read_marker(Stage.EVALUATE, EvaluateRecord) is None:
            self.board.enter(Stage.DATA)
            _ = self._device

    def _data(self) -> DataRecord:
        record = self._stage(Stage.DATA, DataRecord, self._prepare_data)
        for words in record.warnings:
            self.board.warn(words)
        return record

    def _prepare_data(self) -> DataRecord:
        prepare_environment(self.request)
        access = partial(self.settings.access, "dataset")
        return prepare_data(self.request.dataset, access, self.recipe, self.workspace)

    def _model(self) -> ModelRecord:
        record = self._stage(Stage.MODEL, ModelRecord, self._fetch_model)
        if misses_models(record, self.workspace):
            self._patience.until_available(lambda: self._fetch_models(record.revision))
        return record

    def _fetch_model(self) -> ModelRecord:
        code = keep_code(self.request.training_code, self.settings.code, self.workspace.code)
        return replace(self._fetch_models(None), code=code)

    def _fetch_models(self, revision: str | None) -> ModelRecord:
        """Fetch the base model, at the commit of an earlier attempt if there was one, and all others."""
        prepare_environment(self.request)
        models = self.request.models
        block, spec = models.pop("model")
        spec = spec.model_copy(update={"revision": revision}) if revision else spec
        base = self._fetch("model", block, spec, self.workspace.base)
        others = {name: self._fetch(name, *place, self.workspace.other_models / name) for name, place in models.items()}
        return replace(base, others={name: record.folder for name, record in others.items()})

    def _fetch(self, name: str, block: str, spec: ModelSpec, into: Path) -> ModelRecord:
        """Fetch the model of one block of the spec, or what its `job://` source stands for."""
        field = f"{block}.source"
        resolved = self.request.sources.get(field)
        source, revision = spec_source(resolved.uri if resolved else spec.source, field), spec.revision
        if source.scheme == "hf":
            from finetune_trainer.storage.hub import HubStorage

            revision = HubStorage(source, self.settings.access(name, field, revision)).resolve_revision()
        storage = open_storage(source, self.settings.access(name, field, revision))
        try:
            digest = resolved.digest if resolved else None
            return fetch_model(storage, revision, into, self.workspace, field=field, digest=digest)
        except CorruptArtifact as error:
            job = resolved.job if resolved else ""
            raise CorruptArtifact(
                f"{field}: the files are not those that FineTuneJob {job} published: {error.message}. Let it publish"
                " anew: give it a new spec.runId",
                field,
            ) from error

    def _metric_code(self) -> dict[str, str]:
        """Take the code of the job's own metrics, and load it, so that it fails before the training if at all."""
        metrics = self.request.evaluation.metrics or []

        def work() -> dict[str, str]:
            prepare_environment(self.request)
            digests = keep_metrics(metrics, self.settings, self.workspace.metrics)
            OwnMetrics(metrics, self.workspace.metrics)
            return digests

        return self._stage(Stage.MODEL, dict[str, str], work, METRICS) if metrics else {}

    def _judged(self, work: Callable[[], Record]) -> Record:
        try:
            return work()
        except BadMetric:
            forget_failed_metrics(self.workspace)
            raise

    def _baseline(self, data: DataRecord, model: ModelRecord) -> Evaluation:
        def work() -> Evaluation:
            return self._judged(lambda: self._judge().evaluate_base(data, model))

        baseline = self._stage(Stage.MODEL, Evaluation, work, BASELINE)
        self.board.add_metrics(baseline=baseline.metrics)
        return baseline

    def _train(self, data: DataRecord, model: ModelRecord) -> TrainRecord:
        record = self._stage(Stage.TRAIN, TrainRecord, lambda: self._training().run(data, model))
        # Told, but not published: the same training gives the same folder, byte by byte, however long it took.
        self.board.add_metrics(train={**record.metrics, "runtime_seconds": record.runtime_seconds})
        if record.tokens:
            warn_of_truncation(self.board, self.request, record.tokens)
        self.board.update(
            step=record.steps,
            total_steps=record.steps,
            epoch=record.epochs,
            trainable_parameters=record.trainable_parameters,
            resumed_from_step=record.resumed_from_step,
            eta_seconds=0.0,
        )
        return record

    def _training(self) -> Training:
        return Training(
            self.request,
            self.recipe,
            self._device,
            self.batches,
            self.workspace,
            self.board,
            self.preemption,
            self.tracking,
            self.tracing,
        )

    def _judge(self) -> Judge:
        return Judge(self.request, self.recipe, self._device, self.batches, self.workspace)

    def _evaluate(
        self,
        data: DataRecord,
        model: ModelRecord,
        train: TrainRecord,
        baseline: Evaluation | None,
        metric_code: dict[str, str],
    ) -> EvaluateRecord:
        def work() -> EvaluateRecord:
            judged = self._judged(lambda: self._judge().evaluate_tuned(data, model, train, baseline))
            return replace(judged, metric_code=metric_code)

        record = self._stage(Stage.EVALUATE, EvaluateRecord, work)
        self.board.add_metrics(evaluation=record.metrics)
        self.tracking.judged(record.metrics, baseline.metrics if baseline else {}, train.steps)
        return record

    def _export(self, results: Results) -> ExportRecord:
        return self._stage(
            Stage.EXPORT,
            ExportRecord,
            lambda: export(self.request, results, self.recipe, self.workspace),
        )

    def _push(self, exported: ExportRecord, model: ModelRecord) -> PushRecord:
        """Publish; done again if an earlier attempt published to another destination."""
        own = self._destination()
        beside = own.beside(self.request.uid)

        def work() -> PushRecord:
            taken = belongs_to_another(self._output(own), self.request.uid, exported.digest)
            return push(exported, model, self._output(beside if taken else own), self.workspace)

        earlier = self.workspace.read_marker(Stage.PUSH, PushRecord)
        if earlier and earlier.uri not in (str(own), str(beside)):
            self.workspace.remove_marker(Stage.PUSH)
        return self._stage(Stage.PUSH, PushRecord, work)

    def _destination(self) -> Source:
        request = self.request
        destination = spec_source(request.output.destination, DESTINATION_FIELD)
        return publication(destination, request.namespace, request.name, request.run_id)

    def _output(self, source: Source) -> Storage:
        return open_storage(source, self.settings.access("output", DESTINATION_FIELD))

    def _finish(self, evaluate: EvaluateRecord) -> None:
        base = evaluate.baseline.metrics if evaluate.baseline else {}
        for name, value in evaluate.metrics.items():
            beside = f"{base[name]:>12.4g}" if name in base else ""
            say("result", f"{name:<12} tuned {value:>10.4g}" + (f"   base {beside}" if beside else ""))
        self.workspace.drop_intermediates()

    def _stage(self, stage: Stage, kind: type[Record], work: Callable[[], Record], marker: str | None = None) -> Record:
        """Return the stage's record: the one in its marker, or else that of its work, which is then marked."""
        self.board.enter(stage)
        self.preemption.check()
        name = marker or stage.value
        earlier = self.workspace.read_marker(name, kind)
        if earlier is not None:
            say(name.lower(), "done by an earlier attempt")
            return earlier
        started = time.monotonic()
        with self.tracing.span(name) as attributes:
            record = self._patience.until_available(work) if stage in REPEATABLE else work()
            self.workspace.write_marker(name, record)
            attributes.update(outcome_of(record))
        say(name.lower(), f"done in {duration(time.monotonic() - started)}")
        return record
