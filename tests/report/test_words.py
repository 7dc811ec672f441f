import pytest

from holdfast.report import words


@pytest.mark.parametrize(
    ("title", "inside"),
    [
        ("Attack success rate", "attack success rate"),
        ("GSM8K: accuracy", "GSM8K: accuracy"),
        ("XSTest: compliance", "XSTest: compliance"),
        ("TruthfulQA MC1", "TruthfulQA MC1"),
        ("EQ-Bench", "EQ-Bench"),
        ("Dark Triad P(match)", "Dark Triad P(match)"),
    ],
)
def test_a_title_within_a_sentence_is_small_and_a_name_keeps_its_capitals(title, inside):
    assert words.lower(title) == inside
