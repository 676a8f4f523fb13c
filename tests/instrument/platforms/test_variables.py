"""What a score is said to be made from is what moves it, and the columns are those that answers are read by."""

import pytest

from instrument.checking import known_columns
from instrument.definition import read_instrument
from instrument.platforms.variables import answer_variables, derivation, score_variables, sources
from instrument.reading import read_responses
from instrument.scoring import score
from instrument.survey import build_survey

PWIQ = read_instrument("pwiq")


@pytest.mark.parametrize("form", ["P", "C", "CS"])
def test_a_score_moves_with_its_sources_and_with_nothing_else(form, tmp_path):
    survey = build_survey(PWIQ, forms=[form])
    items = PWIQ.asked_by(form)
    rows = [dict.fromkeys(items, 3)] + [{**dict.fromkeys(items, 3), item: 5} for item in items]
    table = "\n".join(
        [
            ",".join(["response", "person", "form", "wave", *items]),
            *(",".join([f"r{n}", f"p{n}", form, "1", *map(str, row.values())]) for n, row in enumerate(rows)),
        ]
    )
    (tmp_path / "answers.csv").write_text(table + "\n")
    scores = score(read_responses(tmp_path / "answers.csv", PWIQ))
    named = {rule.export: set(sources(rule, survey)) for rule in survey.scores}

    def from_items(export):
        return {item for each in named[export] for item in (from_items(each) if each in named else {each})}

    for rule in survey.scores:
        values = scores[rule.id].to_numpy()
        moved = {item for item, value in zip(items, values[1:], strict=True) if abs(value - values[0]) > 1e-9}
        # A facilitator and a barrier move the difference and the acquiescence in their own ways; each moves both.
        assert moved == from_items(rule.export), rule.id


def test_derivations_in_words():
    both = build_survey(PWIQ, forms=["C", "CS"])
    words = derivation(PWIQ.scores["preparation"], both)
    full, short = words.split(". short forms: ")
    assert full == (
        "mean_of_scores: mean of the scores (role, indu, educ); at least 2/3 of those asked must be valid; "
        "percent of the maximum possible score, 0 to 100"
    )
    assert short.startswith(
        "balanced_mean: mean of the mean of the facilitators and the mean of the barriers, these turned ("
    )
    assert "induaf" not in words
    raw = derivation(PWIQ.scores["barrier_index"], build_survey(PWIQ, forms=["P"]))
    assert "; turned:" not in raw
    assert derivation(PWIQ.scores["acquiescence"], both).endswith("; on the scale of the answers")


def test_columns_are_those_of_a_file_of_answers():
    survey = build_survey(PWIQ, forms=PWIQ.forms.ids, follow_up=True, planning=True)
    names = [each.name for each in answer_variables(survey)]
    assert len(set(names)) == len(names)
    assert set(names) <= set(known_columns(PWIQ))
    assert not {each.name for each in score_variables(survey)} & set(names)
    by_name = {each.name: each for each in answer_variables(survey)}
    assert by_name["progparts3"].label("en").startswith("Which parts of the programme")
    assert by_name["progparts3"].label("en").endswith(" – " + PWIQ.response_scales["progparts"].labels[3]["en"])
    assert [choice.code for choice in by_name["roleaf"].beside] == ["97", "98", "99"]
    assert [choice.code for choice in by_name["roleaf"].on_scale] == ["1", "2", "3", "4", "5"]
