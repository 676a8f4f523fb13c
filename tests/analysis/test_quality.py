import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.quality import screen_responses

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "describe.json").read_text(encoding="utf-8"))
R = f"R {ORACLE['versions']['R'].removeprefix('R version ').split()[0]}"
# The JSON has 15 significant digits; distances go through the inverse of a matrix of condition up to about 100.
CLOSE = 1e-9
# Enumerating all orders sums thousands of terms that the closed form takes in one step.
ENUMERATED = 1e-9

NAMES = [f"s{number:02d}" for number in range(11)]
ITEMS = [f"{name}{facet}{wording}" for facet in "abc" for name in NAMES for wording in "fb"]
SUBSCALES = {name: [item for item in ITEMS if item.startswith(name)] for name in NAMES}
REVERSED = [item for item in ITEMS if item.endswith("b")]
KEYS = np.array([-1 if item.endswith("b") else 1 for item in ITEMS])


def oracle_answers():
    data = pd.read_csv(ORACLES / "data" / "describe.csv", index_col="response")
    raw = data[[row["item"] for row in ORACLE["items"]]].astype("Int64")
    return raw.where(raw <= 5)


def oracle_screening(items, **options):
    reverse = [item for item in items if item.rstrip("+").endswith("b")]
    subscales = {name: [item for item in items if item[0] == name] for name in "abc"}
    return screen_responses(
        items, reverse=reverse, subscales=subscales, **{"codes": range(1, 6), "minimum": 1, **options}
    )


def simulated(seed, people=900, loading=0.7, style=0.0, careless=0.06, gaps=0.05):
    """Return answers and the kind of each response: 11 correlated traits, a wording factor, own use of the scale."""
    rng = np.random.default_rng(seed)
    traits = np.sqrt(0.5) * (rng.normal(size=(people, 1)) + rng.normal(size=(people, 11)))
    trait = traits[:, [NAMES.index(item[:3]) for item in ITEMS]]
    wording = 0.3 * rng.normal(size=(people, 1))
    noise = np.sqrt(1 - loading**2) * rng.normal(size=(people, 66))
    latent = KEYS * (loading * trait + 0.3) + wording + noise + rng.normal(0, 0.4, 66)
    latent *= np.exp(style * rng.normal(size=(people, 1)))
    answers = 1.0 + np.searchsorted([-1.4, -0.5, 0.5, 1.4], latent)
    kind = np.full(people, "attentive", dtype=object)
    chosen = rng.choice(people, round(careless * people), replace=False)
    for position, row in enumerate(chosen):
        kind[row] = ("extreme line", "random", "runs in the middle")[position % 3]
        if kind[row] == "extreme line":
            answers[row] = rng.choice([1, 5])
        elif kind[row] == "random":
            answers[row] = rng.integers(1, 6, 66)
        else:
            runs = [np.full(rng.integers(6, 20), rng.choice([2, 3, 4], p=[0.15, 0.7, 0.15])) for _ in range(11)]
            answers[row] = np.concatenate(runs)[:66]
    answers[rng.random(answers.shape) < gaps] = np.nan
    frame = pd.DataFrame(answers, columns=ITEMS, index=[f"r{row}" for row in range(people)])
    return frame.astype("Int64"), kind


def screen(items, **options):
    return screen_responses(items, **{"reverse": REVERSED, "subscales": SUBSCALES, "codes": range(1, 6), **options})


# --- Against R -------------------------------------------------------------------------------------


@pytest.fixture
def distances_agree(agrees):
    """Compare squared distances and their p with R's."""

    def compare(what, table, oracle):
        agrees(f"squared distance, {what}", table["mahalanobis"], oracle["d2"], oracle=R, relative=CLOSE)
        # A tail raised to the power (n − df − 1) / 2 ≈ 35 multiplies the rounding of the distance by as much.
        agrees(f"p of the squared distance, {what}", table["mahalanobis_p"], oracle["p"], oracle=R, relative=1e-7)

    return compare


def test_mahalanobis_with_gaps_matches_r(distances_agree):
    items = oracle_answers().drop(columns="a2b")
    assert items.isna().any(axis=1).sum() > 30
    distances_agree("answers with gaps", oracle_screening(items).table, ORACLE["mahalanobis_gaps"])


def test_mahalanobis_of_complete_data_matches_r(distances_agree):
    items = oracle_answers().drop(columns=["a2b", "c2b"]).fillna(3)
    distances_agree("complete answers", oracle_screening(items).table, ORACLE["mahalanobis_complete"])


def test_mahalanobis_of_a_doubled_item_matches_r(distances_agree):
    items = oracle_answers().drop(columns=["a2b", "c2b"]).fillna(3)
    items["a1f+"] = items["a1f"]
    screening = oracle_screening(items)
    distances_agree("a doubled item", screening.table, ORACLE["mahalanobis_shrunk"])
    assert any("shrunk" in note for note in screening.notes)


def test_rows_where_most_is_missing_have_the_distance_of_their_block():
    items, _ = simulated(1, people=400)
    items.iloc[:40, 12:] = pd.NA  # at most 12 of 66 left: solved from the known side
    table = screen(items, minimum=1).table
    values = items.astype(float)
    means, covariances = values.mean(), values.cov()
    for row in items.index[[0, 7, 39, 40, 200]]:
        known = values.columns[values.loc[row].notna()]
        away = (values.loc[row, known] - means[known]).to_numpy()
        expected = away @ np.linalg.solve(covariances.loc[known, known].to_numpy(), away)
        # pandas computes its pairwise covariances in another way: 1e-8 leaves room for the rounding.
        assert table.loc[row, "mahalanobis"] == pytest.approx(expected, rel=1e-8)
    assert table["answered"].iloc[:40].max() <= 12
    assert table["answered"].iloc[40:].min() > 33


def test_longstring_matches_r(agrees):
    table = oracle_screening(oracle_answers()).table
    agrees("longest run of one answer", table["longstring"], ORACLE["longstring"], oracle=R, absolute=0)


def test_consistency_and_its_limit_match_all_orders(agrees):
    items = oracle_answers()[ORACLE["consistency_items"]].iloc[:8]
    table = oracle_screening(items).table
    assert table["answered"].tolist() == ORACLE["consistency"]["answered"]
    oracle = f"{R}, all orders"
    theirs = ORACLE["consistency"]
    agrees("consistency", table["consistency"], theirs["index"], oracle=oracle, absolute=ENUMERATED)
    agrees("limit of consistency", table["consistency_limit"], theirs["limit"], oracle=oracle, absolute=ENUMERATED)


# --- What it finds ---------------------------------------------------------------------------------


def found(seeds, **population):
    """Return the share flagged of each kind, over the seeds together."""
    parts = []
    for seed in seeds:
        items, kind = simulated(seed, **population)
        parts.append(pd.DataFrame({"kind": kind, "careless": screen(items).table["careless"].to_numpy()}))
    return pd.concat(parts).groupby("kind")["careless"].mean()


def test_careless_people_are_found_and_attentive_people_left_alone():
    share = found(range(5))  # 90 people of each careless kind, 4,230 attentive
    print(share.to_string())
    assert share["extreme line"] == 1
    assert share["random"] >= 0.8
    assert share["runs in the middle"] >= 0.3  # honest: only the longest runs are found
    assert share["attentive"] <= 0.01


def test_people_who_use_the_scale_differently_are_left_alone():
    share = found(range(10, 13), loading=0.6, style=0.3)
    print(share.to_string())
    assert share["random"] >= 0.6
    assert share["extreme line"] == 1
    # Measured .027 with a standard error of .003: style raises both the distance and the disorder.
    assert share["attentive"] <= 0.04


def test_without_a_careless_person_hardly_anyone_is_flagged():
    assert found(range(20, 23), careless=0.0)["attentive"] <= 0.01


def test_the_key_matters():
    items, _ = simulated(3, people=300, careless=0.0)
    right = screen(items)
    wrong = screen(items, reverse=[])
    in_part = screen(items, reverse=[item for item in REVERSED if item[:3] not in NAMES[:3]])
    assert right.summary.loc["consistency", "percent"] < 25
    assert wrong.table["consistency"].isna().all()
    # Three of eleven subscales without their key are left out, not misread …
    assert any(", ".join(NAMES[:3]) in note for note in in_part.notes)
    assert in_part.table["consistency"].mean() == pytest.approx(right.table["consistency"].mean(), abs=0.05)
    # … and three with the wrong key (one item of each turned too few) are misread.
    misread = screen(items, reverse=[item for item in REVERSED if item not in ("s00ab", "s01ab", "s02ab")])
    assert misread.table["consistency"].mean() < right.table["consistency"].mean() - 0.03


def test_two_flags_make_careless_and_one_does_not():
    table = screen(simulated(4)[0]).table
    flags = [f"flag_{name}" for name in ("mahalanobis", "consistency", "longstring", "page_time")]
    assert (table["flags"] == table[flags].fillna(False).astype(int).sum(axis=1)).all()
    assert (table["careless"] == (table["flags"] >= 2)).all()
    assert (table["flags"] == 1).any()


def test_nobody_is_dropped_and_inputs_stay():
    items, _ = simulated(5, people=200)
    items.iloc[3] = pd.NA
    items.iloc[4, 9:] = pd.NA
    before = items.copy(deep=True)
    screening = screen(items)
    pd.testing.assert_frame_equal(items, before)
    assert screening.table.index.tolist() == items.index.tolist()
    assert screening.table.index.name == "response"
    assert screening.table.iloc[[3, 4]]["judged"].tolist() == [False, False]
    assert not screening.table.iloc[[3, 4]]["careless"].any()
    assert any("2 of 200 responses have fewer than 10" in note and "1 of them" in note for note in screening.notes)
    assert screening.summary.loc["careless", "n"] == 198


def test_order_of_rows_changes_nothing():
    items, _ = simulated(6, people=300)
    shuffled = items.sample(frac=1, random_state=0)
    again = screen(shuffled).table.loc[items.index]
    pd.testing.assert_frame_equal(screen(items).table, again, rtol=1e-9)


def test_short_forms_are_judged_leniently_and_lines_still_found():
    short = [item for item in ITEMS if item[3] == "a"]
    parts = []
    for seed in range(30, 34):
        items, kind = simulated(seed)
        screening = screen_responses(
            items[short],
            reverse=[item for item in short if item.endswith("b")],
            subscales={name: [f"{name}af", f"{name}ab"] for name in NAMES},
            codes=range(1, 6),
        )
        assert any("leniently" in note for note in screening.notes)
        parts.append(pd.DataFrame({"kind": kind, "careless": screening.table["careless"].to_numpy()}))
    share = pd.concat(parts).groupby("kind")["careless"].mean()
    print(share.to_string())
    assert share["extreme line"] == 1
    assert share["random"] >= 0.2  # 22 items hardly tell random answers
    assert share["attentive"] <= 0.01


# --- Page time -------------------------------------------------------------------------------------


def test_page_time_is_the_median_second_per_item():
    items, _ = simulated(7, people=120)
    pages = pd.DataFrame({"one": [20.0, 90.0], "two": [8.0, 66.0], "three": [600.0, np.nan]}, index=["r0", "r1"])
    table = screen(items, page_seconds=pages, page_items={"one": 22, "two": 22, "three": 22}).table
    assert table["seconds_per_item"].iloc[:3].tolist()[:2] == pytest.approx([20 / 22, (90 + 66) / 2 / 22])
    assert table["flag_page_time"].iloc[:2].tolist() == [True, False]
    assert table["flag_page_time"].iloc[2:].isna().all()


def test_seconds_per_item_may_come_as_a_series():
    items, _ = simulated(7, people=120)
    seconds = pd.Series(2.0, index=items.index)
    seconds.iloc[0] = 1.99
    screening = screen(items, page_seconds=seconds)
    assert screening.table["flag_page_time"].sum() == 1
    assert screening.summary.loc["page_time", "n"] == 120


# --- Little or unusual data ------------------------------------------------------------------------


def test_without_reversed_items_consistency_is_left_out_and_said():
    items, _ = simulated(8, people=300)
    screening = screen(items, reverse=pd.Series(False, index=items.columns))
    assert screening.table["flag_consistency"].isna().all()
    assert screening.table["flag_mahalanobis"].notna().all()
    assert any("both reversed and other items" in note for note in screening.notes)


def test_few_people_have_no_distance_and_are_still_judged():
    items, _ = simulated(9, people=12, careless=0.0)
    items.iloc[0] = 5
    screening = screen(items)
    assert screening.table["mahalanobis"].isna().all()
    assert any("two more responses" in note and "12 for 66" in note for note in screening.notes)
    assert screening.table.loc["r0", ["flag_consistency", "flag_longstring", "careless"]].all()
    assert screening.table["consistency"].iloc[0] == pytest.approx(-0.2)


def test_a_line_of_midpoints_counts_as_no_consistency():
    items, _ = simulated(9, people=12, careless=0.0)
    items.iloc[0] = 3
    table = screen(items).table
    assert table["consistency"].iloc[0] == 0
    assert table["careless"].iloc[0]


def test_subscales_that_say_nothing_are_not_used():
    rng = np.random.default_rng(0)
    items = pd.DataFrame(rng.integers(1, 6, (200, 66)), columns=ITEMS)
    screening = screen(items)
    assert screening.table["consistency"].isna().all()
    assert any("no more alike than chance" in note for note in screening.notes)


@pytest.mark.parametrize(
    "items",
    [
        pd.DataFrame({"x": [3], "y": [2]}, dtype="Int64"),
        pd.DataFrame({"x": [None, None], "y": [None, 1]}, dtype="Int64"),
        pd.DataFrame({"x": [], "y": []}, dtype="Int64"),
        pd.DataFrame({"x": [4] * 9, "y": [4] * 9}, dtype="Int64"),
        pd.DataFrame({"x": [1, 2, 3, None, 5, 1, 2, 3], "y": [None, None, None, 2, None, None, None, None]}),
    ],
    ids=["one person", "empty column", "no rows", "constant", "never together"],
)
def test_little_data_gives_a_table_and_no_warning(items):
    screening = screen_responses(items, reverse=["y"], subscales={"s": ["x", "y"]})
    assert len(screening.table) == len(items)
    assert not screening.table["careless"].to_numpy().any() or len(items) == 9
    assert screening.summary["flagged"].notna().all()
    assert screening.title in repr(screening)
    assert "<figure" in screening._repr_html_()


def test_pairs_that_were_never_answered_together_are_named():
    items, _ = simulated(10, people=300)
    items.iloc[:150, 0] = pd.NA
    items.iloc[150:, 1] = pd.NA
    screening = screen(items)
    assert any("1 pairs of items were never answered together" in note for note in screening.notes)
    assert screening.table["mahalanobis"].notna().all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"reverse": ["z"]}, "`reverse` names.*z"),
        ({"subscales": {"s": ["z"]}}, "`subscales` names.*z"),
        ({"subscales": {"s": ["x"], "t": ["x"]}}, "in several: x"),
        ({"codes": range(1, 4)}, r"\[1, 2, 3\].*found 4"),
        ({"codes": [1]}, "at least two codes"),
        ({"minimum": 0}, "`minimum` must be 1"),
        ({"items": pd.DataFrame({"x": ["agree"], "y": ["2"]})}, "text was found in: x, y"),
        ({"items": pd.DataFrame({"x": [1, 2], "y": [1, 2]}, index=["r", "r"])}, "doubled: r"),
        ({"page_seconds": pd.Series([1.0], index=["elsewhere"])}, "elsewhere"),
        ({"page_seconds": pd.Series([-1.0], index=[0])}, "below 0"),
        ({"page_seconds": pd.DataFrame({"p": [1.0]}), "page_items": {"q": 3}}, "does not for: p"),
    ],
)
def test_contradictions_are_refused(changed, message):
    arguments = {
        "items": pd.DataFrame({"x": [1, 4], "y": [2, 3]}, dtype="Int64"),
        "reverse": ["y"],
        "subscales": {"s": ["x", "y"]},
        **changed,
    }
    with pytest.raises(ValueError, match=message):
        screen_responses(arguments.pop("items"), **arguments)
