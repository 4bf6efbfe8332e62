"""Where generated text is cut."""

import pytest

from finetune_trainer.serving.engines.stop_text import StopFilter


def _shown(stops: list[str], pieces: list[str]) -> list[str]:
    cut = StopFilter(stops)
    shown = [cut.feed(piece) for piece in pieces]
    return [*shown, cut.flush()]


def test_without_stops_every_piece_passes_at_once():
    assert _shown([], ["a", "b", ""]) == ["a", "b", "", ""]


def test_what_may_begin_a_stop_is_held_back_and_released():
    assert _shown(["###"], ["a#", "#b", "#"]) == ["a", "##b", "", "#"]


def test_a_stop_across_pieces_cuts_and_nothing_follows():
    cut = StopFilter(["STOP"])
    assert [cut.feed(piece) for piece in ("one S", "TO", "P two", "three")] == ["one ", "", "", ""]
    assert cut.stopped
    assert cut.flush() == ""


def test_the_earliest_of_several_stops_wins():
    assert _shown(["later", "soon"], ["so soon or later"]) == ["so ", ""]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_the_cut_does_not_depend_on_how_the_text_is_split(size: int):
    text = "aab aabaab aabaac and more"
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert "".join(_shown(["aabaac"], pieces)) == "aab aabaab "
