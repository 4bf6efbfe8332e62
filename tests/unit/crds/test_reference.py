"""The reference page tells every field, and its links lead somewhere."""

import re

from crdgen.reference import reference

PAGE = reference()
SECTIONS = {section.split("\n", 1)[0]: section for section in re.split(r"^#+ ", PAGE, flags=re.MULTILINE)}


def test_links_lead_to_headings():
    anchors = {re.sub(r"[^a-z0-9 -]", "", heading.lower()) for heading in SECTIONS}
    links = re.findall(r"\]\(#([^)]*)\)", PAGE)
    assert len(links) > 20
    assert set(links) <= anchors


def test_rows_tell_type_default_bounds_and_meaning():
    training = SECTIONS["spec.training"]
    assert "| `batchSize` | integer | `8` | ≥ 1, ≤ 4096 | Rows per forward pass. |" in training
    assert "| `maxGradNorm` | number | `1` | > 0, ≤ 1000 | Gradients are clipped to this norm. |" in training
    assert "| `maxSteps` | integer |  | ≥ 1, ≤ 10000000 | Optimizer steps, instead of epochs. |" in training
    assert "one of `Auto`, `FP32`, `BF16`" in training
    assert "- set only one of epochs and maxSteps" in training
    assert "2 to 1000 items, all different, each 1 to 128 characters" in SECTIONS["spec.sequenceClassification"]
    assert "| `train` | [spec.dataset.train](#specdatasettrain) | **required** |" in SECTIONS["spec.dataset"]


def test_every_table_row_has_five_cells_in_the_blocks():
    rows = [line for line in PAGE.split("## Columns", maxsplit=1)[0].splitlines() if line.startswith("|")]
    assert len(rows) > 120
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {6}


def test_a_block_that_fields_share_is_written_once():
    assert "spec.model.secretRef" in SECTIONS
    assert "spec.output.secretRef" not in SECTIONS
    assert "[spec.model.secretRef](#specmodelsecretref)" in SECTIONS["spec.output"]


def test_failure_classes_say_what_happens():
    assert "| `BadData` | 65 | fails the run at once: a retry cannot mend it |" in SECTIONS["Failure classes"]
