"""Failure classes and exit codes say the same in both directions."""

from finetune_api.failures import EXIT_CODE_OF, NOT_COUNTED, TERMINAL, ExitCode, FailureClass
from finetune_api.keys import Reason


def test_each_class_has_one_exit_code_and_each_code_one_class():
    assert set(EXIT_CODE_OF) == set(FailureClass)
    assert sorted(EXIT_CODE_OF.values()) == sorted(set(ExitCode) - {ExitCode.OK})


def test_exit_codes_are_fixed():
    """Pods of an older release report these codes to a newer operator."""
    assert {failure.value: int(code) for failure, code in EXIT_CODE_OF.items()} == {
        "BadSpec": 64,
        "BadData": 65,
        "MissingInput": 66,
        "Unavailable": 69,
        "Bug": 70,
        "OutOfMemory": 71,
        "NonFiniteLoss": 72,
        "MergeMismatch": 73,
        "NoAccess": 77,
        "NoAccelerator": 78,
        "Preempted": 143,
    }


def test_no_class_is_both_final_and_free():
    assert not set(TERMINAL) & set(NOT_COUNTED)


def test_a_condition_reason_is_never_ambiguous():
    assert not {failure.value for failure in FailureClass} & {reason.value for reason in Reason}
    assert len({reason.value for reason in Reason}) == len(Reason)
