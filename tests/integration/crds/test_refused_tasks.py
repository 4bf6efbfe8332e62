"""What a person reads when the API server refuses the block of a task, or how it is to be tuned."""

from typing import Any

import pytest

from tests.builders import finetune_job
from tests.integration.crds.jobs import NAMESPACE, Jobs

pytestmark = pytest.mark.cluster

TASK_AND_TUNING = [
    (
        {"task": "Translation"},
        'spec.task: Unsupported value: "Translation": supported values: "SequenceClassification",'
        ' "TokenClassification", "CausalLM", "SFT", "Seq2Seq", "Reward", "DPO", "ORPO", "KTO", "PPO", "GRPO", "RLOO"',
    ),
    ({"sft": {}}, "spec.sft: Forbidden: is only for task SFT; remove it or set spec.task: SFT"),
    (
        {"task": "SFT", "sequenceClassification": {"labels": ["a", "b"]}},
        "spec.sequenceClassification: Forbidden: is only for task SequenceClassification; remove it or set"
        " spec.task: SequenceClassification",
    ),
    (
        {"task": "Seq2Seq", "seq2Seq": {"lengthPenalty": 2.0}},
        "spec.seq2Seq.lengthPenalty: Invalid value: chooses among beams; set numBeams above 1, or remove it",
    ),
    (
        {"task": "Seq2Seq", "seq2Seq": {"minNewTokens": 9, "maxNewTokens": 8}},
        "spec.seq2Seq.minNewTokens: Invalid value: must not be above maxNewTokens",
    ),
    (
        {"sequenceClassification": {"labels": ["good", "bad", "good"]}},
        'spec.sequenceClassification.labels[2]: Duplicate value: "good"',
    ),
    (
        {"sequenceClassification": {"labels": ["only"]}},
        "spec.sequenceClassification.labels: Invalid value: 1: spec.sequenceClassification.labels in body should have"
        " at least 2 items",
    ),
    (
        {"tuning": {"lora": {"rank": 4}}},
        "spec.tuning.lora: Forbidden: is only for method LoRA; remove the block or set spec.tuning.method: LoRA",
    ),
    (
        {"tuning": {"method": "LoRA", "qlora": {}}},
        "spec.tuning.qlora: Forbidden: is only for method QLoRA; remove the block or set spec.tuning.method: QLoRA",
    ),
    (
        {"tuning": {"method": "Freeze"}},
        "spec.tuning.freeze: Required value: is needed by method Freeze: it says which weights learn, such as freeze:"
        " {trainableLayers: 2}",
    ),
    (
        {"tuning": {"method": "Freeze", "freeze": {"trainableLayers": 2, "embeddingsOnly": True}}},
        "spec.tuning.freeze: Invalid value: set exactly one of trainableLayers, trainablePatterns and embeddingsOnly:"
        " true",
    ),
    (
        {"tuning": {"method": "LoRA", "lora": {"useDora": True, "initLoraWeights": "pissa_niter_4"}}},
        "spec.tuning.lora.initLoraWeights: Invalid value: cannot be merged with useDora; use default, gaussian or"
        " orthogonal, or leave useDora out",
    ),
    (
        {"tuning": {"method": "QLoRA", "qlora": {"initLoraWeights": "pissa"}}},
        "spec.tuning.qlora.initLoraWeights: Invalid value: takes its start from weights in full precision; use default,"
        " gaussian or orthogonal, or method LoRA",
    ),
    (
        {"training": {"lrSchedulerType": "constant", "warmupSteps": 5}},
        "spec.training.lrSchedulerType: Invalid value: constant has no warm-up; use constant_with_warmup, or leave"
        " warmupRatio and warmupSteps out",
    ),
    (
        {"training": {"lrSchedulerType": "warmup_stable_decay", "lrSchedulerArguments": {"min_lr_ratio": 0.1}}},
        "spec.training.lrSchedulerArguments: Invalid value: needs num_decay_steps for lrSchedulerType:"
        " warmup_stable_decay",
    ),
    (
        {"tuning": {"method": "LoRA", "lora": {"targetModules": ["AllLinear", "q_proj"]}}},
        "spec.tuning.lora.targetModules: Invalid value: AllLinear already covers every linear layer; list either"
        " AllLinear or module names",
    ),
    (
        {"evaluation": {"samplePrompts": ["Once"]}},
        "spec.evaluation.samplePrompts: Forbidden: is only for task CausalLM, SFT, Seq2Seq, DPO, ORPO, KTO, PPO, GRPO"
        " or RLOO; remove it or set spec.task: CausalLM, SFT, Seq2Seq, DPO, ORPO, KTO, PPO, GRPO or RLOO",
    ),
]

LANGUAGE_MODELS = [
    (
        {"training": {"packing": True}},
        "spec.training.packing: Forbidden: is only for tasks CausalLM and SFT; remove it",
    ),
    (
        {"task": "SFT", "sft": {"chatTemplate": "{{ text }}"}},
        "spec.sft.chatTemplate: Invalid value: is no chat template: expected Jinja that goes through messages, as"
        " {% for message in messages %}...{% endfor %}",
    ),
    (
        {"task": "CausalLM", "causalLM": {"overflow": "Wrap"}},
        'spec.causalLM.overflow: Unsupported value: "Wrap": supported values: "Split", "Truncate"',
    ),
]

PREFERENCES = [
    (
        {"task": "DPO", "dpo": {"labelSmoothing": 0.1}},
        "spec.dpo.labelSmoothing: Invalid value: is only for lossType robust, exo_pair, aot or aot_unpaired; remove it"
        " or set one of these",
    ),
    (
        {"task": "DPO", "dpo": {"lossType": "exo_pair"}},
        "spec.dpo.labelSmoothing: Invalid value: exo_pair needs labelSmoothing above 0, such as 0.001",
    ),
    (
        {"task": "DPO", "training": {"neftuneNoiseAlpha": 5}},
        "spec.training.neftuneNoiseAlpha: Forbidden: is not for task DPO: the noise would pass for distance from the"
        " reference model; remove it",
    ),
    (
        {"task": "KTO", "training": {"batchSize": 1}},
        "spec.training.batchSize: Invalid value: must be at least 2 for task KTO, which compares the rows of a batch"
        " with each other",
    ),
]

REWARD_FUNCTION = {"name": "brief", "type": "Length", "length": {"maxCharacters": 40}}

PYTHON = {"configMapKeyRef": {"name": "rewards", "key": "polite.py"}}

REWARDS = [
    (
        {"task": "RLOO", "rloo": {"rewardFunctions": [{"name": "polite", "type": "Python"}]}},
        "spec.rloo.rewardFunctions[0].type: Invalid value: needs the block python",
    ),
    (
        {"task": "PPO", "ppo": {"rewardFunctions": [{**REWARD_FUNCTION, "python": PYTHON}]}},
        "spec.ppo.rewardFunctions[0].python: Invalid value: is only for type Python; remove it",
    ),
    (
        {
            "task": "PPO",
            "ppo": {"rewardFunctions": [{"name": "p", "type": "Python", "python": {**PYTHON, "columns": ["prompts"]}}]},
        },
        "spec.ppo.rewardFunctions[0].python.columns: Invalid value: 'prompts' and 'completions' are what the function"
        " gets in any case; rename the column",
    ),
    (
        {"task": "PPO"},
        "spec: Invalid value: task PPO needs a reward: set spec.ppo.rewardModel or spec.ppo.rewardFunctions",
    ),
    (
        {"task": "GRPO", "grpo": {"beta": 0.1}},
        "spec.grpo: Invalid value: set rewardModel, rewardFunctions or both: without a reward there is nothing to learn"
        " from",
    ),
    (
        {"task": "GRPO", "grpo": {"rewardFunctions": [REWARD_FUNCTION], "numGenerations": 3}},
        "spec.grpo.numGenerations: Invalid value: must divide spec.training.batchSize x gradientAccumulationSteps: a"
        " step learns from all completions of a prompt",
    ),
    (
        {"task": "PPO", "ppo": {"rewardFunctions": [REWARD_FUNCTION], "responseLength": 512}},
        "spec.ppo.responseLength: Invalid value: must be below spec.training.maxLength, which counts the tokens of"
        " prompt and completion",
    ),
    (
        {"task": "RLOO", "rloo": {"rewardFunctions": [REWARD_FUNCTION, REWARD_FUNCTION]}},
        'spec.rloo.rewardFunctions[1]: Duplicate value: {"name":"brief"}',
    ),
    (
        {"task": "RLOO", "rloo": {"rewardFunctions": [{"name": "digits", "type": "Regex"}]}},
        "spec.rloo.rewardFunctions[0].type: Invalid value: needs the block regex with a pattern",
    ),
    (
        {"task": "RLOO", "rloo": {"rewardFunctions": [{**REWARD_FUNCTION, "length": {}}]}},
        "spec.rloo.rewardFunctions[0].length: Invalid value: set either targetCharacters or the bounds minCharacters"
        " and maxCharacters",
    ),
]

CLASSIFICATION = [
    (
        {"sequenceClassification": {"threshold": 0.4}},
        "spec.sequenceClassification.threshold: Forbidden: is only for problemType MultiLabel; remove it or set"
        " problemType: MultiLabel",
    ),
    (
        {"sequenceClassification": {"problemType": "MultiLabel", "threshold": 1}},
        "spec.sequenceClassification.threshold: Invalid value: 1: spec.sequenceClassification.threshold in body should"
        " be less than 1",
    ),
    (
        {"sequenceClassification": {"problemType": "Regression", "classWeights": {"method": "Balanced"}}},
        "spec.sequenceClassification.classWeights: Forbidden: is not for problemType Regression, whose texts have"
        " numbers and no labels; remove it",
    ),
    (
        {"sequenceClassification": {"classWeights": {"method": "Balanced", "perLabel": {"good": 2}}}},
        "spec.sequenceClassification.classWeights.perLabel: Invalid value: is for method PerLabel, which needs it;"
        " Balanced takes the weights from the data",
    ),
    (
        {"sequenceClassification": {"classWeights": {"method": "PerLabel", "perLabel": {"good": 0}}}},
        "spec.sequenceClassification.classWeights.perLabel.good: Invalid value: 0:"
        " spec.sequenceClassification.classWeights.perLabel.good in body should be greater than 0",
    ),
    (
        {"task": "TokenClassification", "tokenClassification": {"entityTypes": ["PER", "PER"]}},
        'spec.tokenClassification.entityTypes[1]: Duplicate value: "PER"',
    ),
]

METRIC: dict[str, Any] = {"name": "toxicity", "source": "pvc://tools/metrics/toxicity"}
METRICS = [
    (
        {"task": "SFT", "evaluation": {"metrics": [METRIC]}},
        "spec.evaluation.metrics: Forbidden: is only for task SequenceClassification, TokenClassification or Seq2Seq;"
        " remove it or set spec.task: SequenceClassification, TokenClassification or Seq2Seq",
    ),
    (
        {"evaluation": {"metrics": [{"name": "toxicity"}]}},
        "spec.evaluation.metrics[0]: Invalid value: set exactly one of configMapKeyRef and source",
    ),
    (
        {"evaluation": {"metrics": [{**METRIC, **PYTHON}]}},
        "spec.evaluation.metrics[0]: Invalid value: set exactly one of configMapKeyRef and source",
    ),
    (
        {"evaluation": {"metrics": [METRIC, METRIC]}},
        'spec.evaluation.metrics[1]: Duplicate value: {"name":"toxicity"}',
    ),
    (
        {"evaluation": {"metrics": [{**METRIC, "name": "Toxic-ity"}]}},
        'spec.evaluation.metrics[0].name: Invalid value: "Toxic-ity": spec.evaluation.metrics[0].name in body should'
        " match '^[a-z][a-z0-9_]*$'",
    ),
    (
        {"evaluation": {"metrics": [{**METRIC, "name": "test_f1"}]}},
        "spec.evaluation.metrics[0].name: Invalid value: must not begin with test_, as the figures of the test rows do;"
        " choose another name",
    ),
    (
        {"evaluation": {"metrics": [{**METRIC, "source": "hf://evaluate-metric/f1"}]}},
        "spec.evaluation.metrics[0].source: Invalid value: must be s3://bucket/path or pvc://claim/path; found"
        " hf://evaluate-metric/f1",
    ),
    *(
        (
            {"evaluation": {"metrics": [{**METRIC, "source": source}]}},
            "spec.evaluation.metrics[0].source: Invalid value: must end with the name of a folder (letters, digits,"
            " '-' and '_'), which holds a script of that name",
        )
        for source in ("pvc://tools", "s3://bucket/metrics/toxicity.py")
    ),
    (
        {"evaluation": {"metrics": [{**METRIC, "arguments": {"predictions": "x"}}]}},
        "spec.evaluation.metrics[0].arguments: Invalid value: must be names of arguments in Python, other than"
        " predictions and references, which are given in any case",
    ),
    (
        {"evaluation": {"metrics": [{**METRIC, "arguments": {"beta": 0.5}}]}},
        'spec.evaluation.metrics[0].arguments.beta: Invalid value: "number": spec.evaluation.metrics[0].arguments.beta'
        ' in body must be of type string: "number"',
    ),
]


def test_metrics_that_are_whole_are_taken(jobs: Jobs):
    metrics = [{**METRIC, "arguments": {"beta": "0.5"}}, {"name": "polite", **PYTHON, "configName": "multilabel"}]
    for task in ("SequenceClassification", "TokenClassification", "Seq2Seq"):
        taken = jobs.dry_run(finetune_job(namespace=NAMESPACE, task=task, evaluation={"metrics": metrics}))
        assert taken["spec"]["evaluation"]["metrics"] == metrics


@pytest.mark.parametrize(
    ("change", "message"),
    [*TASK_AND_TUNING, *LANGUAGE_MODELS, *CLASSIFICATION, *PREFERENCES, *REWARDS, *METRICS],
    ids=lambda value: str(value)[:60] if isinstance(value, dict) else "",
)
def test_the_one_complaint_names_field_and_remedy(jobs: Jobs, change: dict[str, Any], message: str):
    assert jobs.refusal(finetune_job(namespace=NAMESPACE, **change)) == [message]
