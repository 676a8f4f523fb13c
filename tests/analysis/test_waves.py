"""Both waves in one frame: scored alike, linked, with their places and arms."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.linking import link_waves
from analysis.waves import score_waves
from instrument import read_instrument
from instrument.definition import Catalogue, Text
from instrument.responses import Responses, select
from tests.analysis.small_waves import answers_of

TESTS = Path(__file__).parents[1]
PWIQ = read_instrument("pwiq")
# For hard files three scores say as much as twenty; the total is then the mean of all items, as on short forms.
TOTAL = PWIQ.scores["integration"].short
BRIEF = replace(PWIQ, scores=Catalogue([PWIQ.scores["role"], PWIQ.scores["supv"], replace(TOTAL, short=TOTAL)]))


@pytest.fixture(scope="module")
def pair():
    return answers_of(BRIEF)


def test_negative_control_is_scored_by_the_subscale_rule_on_its_facets(pair):
    scored = score_waves(*pair, negative_control=["resoc", "devpc"])
    before = pair[0]
    raw = before.answers[["resocf", "resocb", "devpcf", "devpcb"]].astype(float)
    turned = raw.assign(resocb=6 - raw["resocb"], devpcb=6 - raw["devpcb"])
    means = (turned[["resocf", "devpcf"]].mean(axis=1) + turned[["resocb", "devpcb"]].mean(axis=1)) / 2
    expected = ((means - 1) * 25).where(raw.notna().sum(axis=1) >= 3)
    np.testing.assert_allclose(scored.scores["negative_control"][: len(raw)], expected)
    with pytest.raises(ValueError, match="does not have: resox"):
        score_waves(*pair, negative_control=["resox"])


def small_wave(wave, n, *, shift=0, seed=0):
    """Return answers to the small example questionnaire: no forms, no codes, no places."""
    small = read_instrument(TESTS / "data" / "small.toml")
    rng = np.random.default_rng(seed)
    index = pd.Index([f"w{wave}:{row}" for row in range(n)], name="response")
    answers = pd.DataFrame(index=index)
    for item in small.items:
        drawn = np.clip(rng.integers(0, 3, n) + shift, 0, 3)
        answers[item.id] = pd.array(3 - drawn if item.reverse else drawn, dtype="Int64")
    people = pd.DataFrame({"person": [f"p{row}" for row in range(n)], "wave": wave}, index=index)
    off_scale = pd.DataFrame(pd.NA, index=index, columns=answers.columns, dtype="string")
    return Responses(instrument=small, answers=answers, people=people, off_scale=off_scale, ledger=pd.DataFrame())


def test_links_may_be_given_and_exact_ones_are_fewer(pair):
    exact, all_of_them, person = (score_waves(*pair, link=link) for link in ("exact", "code", "person"))
    counts = [waves.rows["person"].duplicated().sum() for waves in (exact, all_of_them, person)]
    assert 30 < counts[0] < counts[1] <= counts[2] == 80
    given = score_waves(*pair, link=link_waves(*pair, mismatch="none"))
    pd.testing.assert_frame_equal(given.rows, exact.rows)
    assert given.flow.loc["linked exactly", "before"] == counts[0]
    with pytest.raises(ValueError, match="the links are not of these waves: the responses before are others"):
        score_waves(select(pair[0], pair[0].people["form"] != "M"), pair[1], link=link_waves(*pair))


def test_links_are_true(pair):
    rows = score_waves(*pair, link="exact").rows
    true = pd.concat([wave.people["person"] for wave in pair], ignore_index=True)
    assert true.groupby(rows["person"]).nunique().max() == 1


def edited(wave, name):
    """Return answers to a later version, in which one item reads otherwise."""
    instrument = wave.instrument
    text = Text(tuple((language, f"{words} Now?") for language, words in instrument.items[name].text.items()))
    other = [replace(item, text=text) if item.id == name else item for item in instrument.items]
    later = replace(instrument, items=Catalogue(other), version="9.0.0", digest="later")
    return replace(wave, instrument=later)


def test_two_versions_meet_on_the_items_that_are_the_same(pair):
    before, after = pair
    later = edited(after, "roleaf")
    with pytest.raises(ValueError, match=r"different definitions: pwiq .* before and pwiq 9\.0\.0 after"):
        score_waves(before, later)
    same = [name for name in PWIQ.common_items if name != "roleaf"]
    waves = score_waves(before, later, items=same)
    pd.testing.assert_frame_equal(waves.scores, score_waves(before, after, items=same).scores)
    with pytest.raises(ValueError, match="do not ask the same in roleaf"):
        score_waves(before, later, items=PWIQ.common_items)
