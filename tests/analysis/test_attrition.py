"""Linked against unlinked people, against Welch's test, sandwich and numerical influence values."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.attrition import attrition

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "attrition.json").read_text(encoding="utf-8"))
VERSIONS = ORACLE["versions"]
R = f"R {VERSIONS['R']} t.test"
DATA = pd.read_csv(ORACLES / "data" / "change.csv")
SCORES = DATA[["total", "part"]]
PEOPLE = DATA[["wave", "person", "form"]]
FOUND = attrition(SCORES, PEOPLE)


@pytest.mark.parametrize("wave", ["before", "after"])
@pytest.mark.parametrize("score", ["total", "part"])
def test_the_comparison_is_welchs_test(wave, score, agrees):
    row, theirs = FOUND.table.loc[(wave, score)], ORACLE[wave][score]
    assert row[["n_linked", "n_unlinked"]].tolist() == theirs["n"]
    ours = row[["estimate", "se", "df", "ci_low", "ci_high"]]
    expected = [theirs["estimate"], theirs["se"], theirs["df"], *theirs["ci"]]
    agrees(f"linked − unlinked, {wave}", ours, expected, oracle=R, absolute=1e-8)
    agrees(f"means, {wave}", row[["mean_linked", "mean_unlinked"]], theirs["means"], oracle=R, absolute=1e-10)
    # Numerical derivatives with steps of 1e-6.
    effect = row[["effect_size", "effect_low", "effect_high"]]
    agrees(
        f"standardised difference, {wave}",
        effect,
        theirs["effect"],
        oracle=f"boot {VERSIONS['boot']} empinf",
        absolute=1e-5,
    )


@pytest.mark.parametrize("wave", ["before", "after"])
def test_with_clusters_the_error_is_sandwichs(wave, agrees):
    found = attrition(SCORES, DATA[["wave", "person", "organisation", "team"]])
    theirs = [ORACLE[wave][score]["robust"] for score in SCORES]
    agrees(
        f"robust se, {wave}",
        found.table.loc[wave, "se"],
        theirs,
        oracle=f"sandwich {VERSIONS['sandwich']}",
        relative=1e-8,
    )
    assert (found.table["df"] == 9).all()
    assert "clustering by organisation" in found.method


def test_counts_by_form_are_those_of_r():
    for wave, word in enumerate(("before", "after")):
        part = FOUND.composition.xs(word, level="wave").xs("form", level="variable")
        theirs = ORACLE["forms"][str(wave)]
        assert part["n_unlinked"].tolist() == theirs["0"]
        assert part["n_linked"].tolist() == theirs["1"]
        assert (part["percent_linked"] == 100 * part["n_linked"] / (part["n_linked"] + part["n_unlinked"])).all()


def test_background_counts_those_not_stated():
    years = pd.Series(np.where(DATA.index % 3 == 0, "new", "long"), index=DATA.index).where(DATA.index % 7 > 0)
    found = attrition(SCORES, PEOPLE, background=years.to_frame("years"))
    part = found.composition.xs("years", level="variable")
    assert part[["n_linked", "n_unlinked"]].to_numpy().sum() == len(DATA)
    assert "(not stated)" in part.index.get_level_values("value")


def test_the_sentence_says_who_differs_and_by_how_much():
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(
        {"wave": np.repeat([0, 1], 60), "person": np.r_[np.arange(60), np.arange(30), 60 + np.arange(30)]}
    )
    linked = rows["person"].duplicated(keep=False)
    same = pd.Series(rng.normal(50, 10, 120))
    scores = pd.DataFrame({"lost": same + 20 * linked * (rows["wave"] == 0), "kept": same})
    found = attrition(scores, rows)
    assert found.sentence.startswith(
        "30 of 60 people who answered before and 30 of 60 who answered after could be linked."
    )
    points = found.table.loc[("before", "lost"), "estimate"]
    assert f"1 of 2 scores: lost ({points:.0f} points higher)" in found.sentence
    assert "At the second survey no score shows a clear difference" in found.sentence


@pytest.mark.parametrize(
    ("person", "said"), [(list("abcdef"), "nobody is linked"), (list("abcabc"), "everybody is linked")]
)
def test_without_both_kinds_there_is_nothing_to_compare(person, said):
    rows = pd.DataFrame({"wave": [0, 0, 0, 1, 1, 1], "person": person})
    with pytest.raises(ValueError, match=said):
        attrition(pd.DataFrame({"x": [1.0, 2, 3, 4, 5, 6]}), rows)


def test_one_linked_person_leaves_counts_and_a_note():
    rows = pd.DataFrame({"wave": [0, 0, 0, 1, 1, 1], "person": list("abcade")})
    found = attrition(pd.DataFrame({"x": [1.0, 2, 3, 4, 5, 6]}), rows)
    assert found.table["estimate"].isna().all()
    assert found.table["n_linked"].tolist() == [1, 1]
    assert "too few to compare" in found.sentence
    assert any("fewer than two values" in note for note in found.notes)
