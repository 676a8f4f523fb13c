"""The sample data: rewritten byte for byte, of the stated make-up, and with nothing in them that tells the truth."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.cli import main
from analysis.quality import screen_responses
from instrument import read_instrument, read_responses, score, simulate
from instrument.responses import asked
from instrument.sample_data import write_sample_data
from instrument.simulate import read_population, without_effect

SHIPPED = Path("sample_data")
POPULATION = SHIPPED / "population.toml"
SEED = 1
WAVES = ("baseline", "followup")
FILES = {f"{prefix}{wave}.{end}" for prefix in ("", "null_") for wave in WAVES for end in ("csv", "about.json")} | {
    "truth.csv"
}
README = (SHIPPED / "README.md").read_text(encoding="utf-8")
STANDARD_ERRORS = 4
CODES = [f"code{number}" for number in range(1, 7)]


@pytest.fixture(scope="module")
def pwiq():
    return read_instrument("pwiq")


@pytest.fixture(scope="module")
def population():
    return read_population(POPULATION)


@pytest.fixture(scope="module")
def shipped(pwiq):
    """File name without its end → its answers, read as anybody would."""
    return {
        name: read_responses(SHIPPED / f"{name}.csv", pwiq) for name in (*WAVES, *(f"null_{wave}" for wave in WAVES))
    }


@pytest.fixture(scope="module")
def truth():
    return pd.read_csv(SHIPPED / "truth.csv").astype({f"{wave}_person": "Int64" for wave in WAVES})


@pytest.fixture(scope="module")
def rewritten(tmp_path_factory):
    """The sample data, written again by the command."""
    out = tmp_path_factory.mktemp("sample") / "again"
    assert main(["simulate", str(POPULATION), "--out", str(out)]) == 0
    return out


# ---- writing ---------------------------------------------------------------------------------------------


def test_the_command_rewrites_the_shipped_files_byte_for_byte(rewritten):
    assert {path.name for path in rewritten.iterdir()} == FILES
    assert {path.name for path in SHIPPED.iterdir()} == FILES | {"population.toml", "README.md"}
    for name in FILES:
        assert (rewritten / name).read_bytes() == (SHIPPED / name).read_bytes(), name


def test_files_that_exist_are_refused_and_nothing_is_written(rewritten, tmp_path, capsys):
    out = tmp_path / "copy"
    out.mkdir()
    shutil.copy(rewritten / "truth.csv", out)
    (out / "followup.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"followup\.csv.*truth\.csv exist; choose another folder or add --force"):
        write_sample_data(POPULATION, out, seed=SEED)
    assert main(["simulate", str(POPULATION), "--out", str(out)]) == 1
    assert "followup.csv" in capsys.readouterr().err
    assert {path.name for path in out.iterdir()} == {"truth.csv", "followup.csv"}
    assert (out / "followup.csv").read_text() == "mine"


def test_force_overwrites_and_another_seed_gives_other_answers(rewritten, tmp_path):
    (tmp_path / "followup.csv").write_text("mine")
    paths = write_sample_data(POPULATION, tmp_path, seed=SEED + 5, force=True)
    assert {path.name for path in paths} == {path.name for path in tmp_path.iterdir()} == FILES
    for name in FILES:
        assert (tmp_path / name).read_bytes() != (rewritten / name).read_bytes(), name


def test_a_wrong_population_is_refused_before_anything_is_written(tmp_path):
    wrong = tmp_path / "population.toml"
    wrong.write_text(POPULATION.read_text(encoding="utf-8").replace("teams = 60 ", "teams = 20 "), encoding="utf-8")
    with pytest.raises(ValueError, match="20 teams cannot fill 24 organisations"):
        write_sample_data(wrong, tmp_path / "out", seed=1)
    assert not (tmp_path / "out").exists()


def test_another_questionnaire_is_written_and_read_again(tmp_path):
    write_sample_data(Path("tests/data/small_population.toml"), tmp_path, seed=1)
    responses = read_responses([tmp_path / "baseline.csv", tmp_path / "followup.csv"], "tests/data/small.toml")
    assert responses.people["wave"].value_counts().to_dict() == {1: 160, 2: 120}
    assert json.loads((tmp_path / "baseline.about.json").read_text())["questionnaire"] == "wellteam 1.0.0"
    assert responses.off_scale.notna().to_numpy().any()


def test_each_file_says_beside_it_that_it_is_simulated(shipped, pwiq):
    for name, responses in shipped.items():
        about = json.loads((SHIPPED / f"{name}.about.json").read_text(encoding="utf-8"))
        null = name.startswith("null_")
        assert about == {
            "simulated": "These answers were drawn by a computer. Nobody gave them, and they are no evidence of anything.",
            "questionnaire": f"pwiq {pwiq.version}",
            "population": "population.toml, without the programme's effect" if null else "population.toml",
            "seed": SEED + null,
            "responses": len(responses.answers),
        }
    assert README.startswith("# Simulated answers")
    assert f"The seed is {SEED}, and {SEED + 1} for the null set" in README
    assert all(name in README for name in FILES if name.endswith(".csv"))


# ---- what the files hold ---------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["", "null_"])
def test_sizes_and_shares(shipped, truth, prefix):
    first, second = (shipped[f"{prefix}{wave}"].people for wave in WAVES)
    assert [len(first), len(second)] == [900, 700]
    for people in (first, second):
        assert people["organisation"].nunique() == 24
        assert people["team"].nunique() == 60
        assert len(people[["organisation", "team"]].drop_duplicates()) == 60
        assert people.drop_duplicates("organisation")["programme"].mean() == 0.5
        assert len(people[["organisation", "programme"]].drop_duplicates()) == 24
        assert people["team"].value_counts().between(2, 60).all()
        assert 8 <= people["team"].value_counts().median() <= 20
        for form, share in (("P", 0.24), ("C", 0.61), ("M", 0.15)):
            error = np.sqrt(share * (1 - share) / len(people))
            assert abs(people["form"].eq(form).mean() - share) < STANDARD_ERRORS * error
    places = [
        people[["team", "organisation", "programme"]].drop_duplicates().set_index("team") for people in (first, second)
    ]
    pd.testing.assert_frame_equal(places[0].sort_index(), places[1].sort_index())


def test_the_files_hold_only_what_respondents_and_the_survey_know(shipped, pwiq):
    allowed = {"person", "form", "wave", "organisation", "team", "programme", *pwiq.items.ids, *pwiq.questions.ids}
    for name in shipped:
        text = (SHIPPED / f"{name}.csv").read_text(encoding="utf-8")
        header = text.splitlines()[0].split(",")
        assert set(header) <= allowed, name
        assert set(pwiq.items.ids) <= set(header)
        assert not {"true_person", "careless"} & set(header)
        assert "straight_line" not in text
        assert "p0001" not in text
        assert "\r" not in text


def test_no_column_of_the_file_is_unknown_to_the_questionnaire(shipped):
    for responses in shipped.values():
        assert set(responses.ledger["became"]) == {"key", "item", "question"}, responses.ledger["became"].unique()


def test_person_numbers_are_row_numbers_and_link_nothing(shipped, truth):
    for responses in shipped.values():
        assert responses.people["person"].astype(int).tolist() == list(range(1, len(responses.people) + 1))
    pairs = truth.dropna(subset=[f"{wave}_person" for wave in WAVES])
    assert len(pairs) == 490
    first, second = pairs["baseline_person"].astype(float), pairs["followup_person"].astype(float)
    # 490 / 900 coincidences are expected by chance, and no more order than chance has.
    assert (first == second).sum() <= 4
    assert abs(first.corr(second, method="spearman")) < STANDARD_ERRORS / np.sqrt(490)


def test_truth_names_each_row_once_and_is_the_truth(shipped, truth, population, pwiq):
    assert truth.columns.tolist() == [
        "true_person", "baseline_person", "baseline_careless", "followup_person", "followup_careless",
    ]  # fmt: skip
    drawn = simulate(population, seed=SEED, instrument=pwiq)
    for wave in WAVES:
        rows = truth.dropna(subset=f"{wave}_person").sort_values(f"{wave}_person")
        assert rows[f"{wave}_person"].tolist() == list(range(1, len(shipped[wave].people) + 1))
        truly = drawn[wave].people.reset_index().set_index("person").loc[rows["true_person"]]
        np.testing.assert_array_equal(
            drawn[wave].answers.loc[truly["response"]].to_numpy(float, na_value=-1),
            shipped[wave].answers.to_numpy(float, na_value=-1),
        )
        for column in ("form", "organisation", "team", *CODES):
            np.testing.assert_array_equal(
                truly[column].astype(object).fillna("").to_numpy(),
                shipped[wave].people[column].astype(object).fillna("").to_numpy(),
            )
        assert truly["careless"].fillna("").tolist() == rows[f"{wave}_careless"].fillna("").tolist()


def test_some_peer_workers_become_managers(shipped, truth):
    pairs = truth.dropna(subset=[f"{wave}_person" for wave in WAVES])
    forms = [shipped[wave].people["form"].to_numpy()[pairs[f"{wave}_person"].astype(int) - 1] for wave in WAVES]
    moved = pd.Series(list(zip(*forms, strict=True))).loc[lambda pair: pair.str[0] != pair.str[1]]
    assert set(moved) == {("P", "M")}
    assert 1 <= len(moved) <= 8


# ---- codes, gaps, careless answers -----------------------------------------------------------------------


def test_codes_differ_between_waves_as_often_as_stated(shipped, truth, population):
    pairs = truth.dropna(subset=[f"{wave}_person" for wave in WAVES])
    codes = [shipped[wave].people[CODES].fillna("").iloc[pairs[f"{wave}_person"].astype(int) - 1] for wave in WAVES]
    given = codes[0]["code1"].ne("").to_numpy() & codes[1]["code1"].ne("").to_numpy()
    n = given.sum()
    assert abs(given.mean() - 0.97**2) < STANDARD_ERRORS * np.sqrt(0.06 * 0.94 / len(given))
    for element, error in zip(CODES, population.codes.errors, strict=True):
        weights = np.array(list(population.codes.letters[element].values()), dtype=float)
        same = ((weights / weights.sum()) ** 2).sum()
        # answered anew; an X always differs from a letter, a letter is drawn again by chance
        rate = error * (0.02 + 0.98 * (1 - same))
        differs = (codes[0][element].to_numpy() != codes[1][element].to_numpy())[given].mean()
        assert abs(differs - rate) < STANDARD_ERRORS * np.sqrt(rate * (1 - rate) / n), element
    keys = ["organisation", *CODES]
    before, after = (shipped[wave].people.dropna(subset=CODES)[["person", *keys]] for wave in WAVES)
    linked = before.merge(after, on=keys, suffixes=("_before", "_after"))
    linked = set(zip(linked["person_before"].astype(int), linked["person_after"].astype(int), strict=True))
    true = set(zip(*(pairs[f"{wave}_person"].astype(int) for wave in WAVES), strict=True))
    assert f"{len(linked)} pairs, of which {len(linked & true)} are one person, out of {len(true)} true pairs" in README
    whole = (codes[0].to_numpy() == codes[1].to_numpy()).all(axis=1)[given].mean()
    assert 0.6 < whole < 0.85  # 51–75 % matched in field studies over some months, 88 % at best


@pytest.mark.parametrize("wave", WAVES)
def test_codes_are_blank_and_unknown_now_and_then(shipped, wave):
    people = shipped[wave].people
    blank = people[CODES].isna()
    assert (blank.all(axis=1) | ~blank.any(axis=1)).all()  # a code is left out whole
    assert abs(blank["code1"].mean() - 0.03) < STANDARD_ERRORS * np.sqrt(0.03 * 0.97 / len(people))
    given = people[~blank["code1"]]
    unknown = given[CODES].eq("X").to_numpy()
    assert abs(unknown.mean() - 0.02) < STANDARD_ERRORS * np.sqrt(0.02 * 0.98 / unknown.size)
    assert given[CODES].apply(lambda letters: letters.str.fullmatch("[A-Z]")).all(axis=None)


def test_some_codes_are_shared_inside_an_organisation(shipped):
    people = pd.concat([shipped[wave].people for wave in WAVES])
    given = people.dropna(subset=CODES)
    shared = given.duplicated(["wave", "organisation", *CODES], keep=False)
    assert 2 <= shared.sum() <= 0.03 * len(given)  # stated: 1 % of people, those whom they share with come on top


def test_gaps_are_as_frequent_as_stated(shipped, population, pwiq):
    subscale_of = {item.id: item.subscale for item in pwiq.items}
    for name, responses in shipped.items():
        form, is_asked = responses.people["form"], asked(responses)
        for each in ("P", "C", "M"):
            rows = form == each
            rates = population.missing.dont_know[each]
            n, found, expected = 0, 0, 0.0
            for item, subscale in subscale_of.items():
                if not is_asked.loc[rows, item].any():
                    continue
                n += int(rows.sum())
                found += int(responses.off_scale.loc[rows, item].eq("dont_know").fillna(False).sum())
                expected += rows.sum() * rates.get(subscale, rates["default"])
            rate = expected / n
            # one in fifty answers is hidden by a blank, more where people stopped early
            low, high = 0.955 * rate, 0.995 * rate
            slack = STANDARD_ERRORS * np.sqrt(rate * (1 - rate) / n)
            assert low - slack < found / n < high + slack, (name, each)
        blank = (responses.answers.isna() & responses.off_scale.isna() & is_asked).to_numpy()
        rate = blank[is_asked.to_numpy()].mean()
        # 1.5 % at random, and about 1 % by people who stopped: 2 % of them, three eighths of the way
        assert 0.015 < rate < 0.035, name


def test_six_in_a_hundred_answers_are_careless_of_three_kinds(truth):
    for wave in WAVES:
        here = truth[truth[f"{wave}_person"].notna()]
        counts = here[f"{wave}_careless"].value_counts()
        for kind, share in (("straight_line", 0.020), ("random", 0.025), ("middle", 0.015)):
            error = np.sqrt(share * (1 - share) / len(here))
            assert abs(counts[kind] / len(here) - share) < STANDARD_ERRORS * error, (wave, kind)


@pytest.mark.parametrize("wave", WAVES)
def test_how_well_careless_answers_are_found(shipped, truth, pwiq, wave, capsys):
    responses = shipped[wave]
    screening = screen_responses(
        responses.answers,
        reverse=[item.id for item in pwiq.items if item.reverse],
        subscales=pwiq.subscale_items(),
        codes=[1, 2, 3, 4, 5],
    )
    flagged = screening.table["careless"].to_numpy()
    kind = truth.dropna(subset=f"{wave}_person").set_index(f"{wave}_person")[f"{wave}_careless"]
    kind = kind.reindex(responses.people["person"].astype(int)).reset_index(drop=True)
    careless = kind.notna().to_numpy()
    by_kind = pd.Series(flagged).groupby(kind).agg(["sum", "size"])
    sensitivity, false_flags = flagged[careless].mean(), flagged[~careless].mean()
    with capsys.disabled():
        print(
            f"\n{wave}: {flagged[careless].sum()} of {careless.sum()} careless responses flagged "
            f"(sensitivity {sensitivity:.2f}), {flagged[~careless].sum()} of {(~careless).sum()} others "
            f"(false flags {100 * false_flags:.1f} %); "
            + ", ".join(f"{name} {row['sum']} of {row['size']}" for name, row in by_kind.iterrows())
        )
    told = f"| {wave}.csv | {flagged[careless].sum()} of {careless.sum()} ({100 * sensitivity:.0f} %) "
    told += f"| {flagged[~careless].sum()} of {(~careless).sum()} ({100 * false_flags:.1f} %) |"
    for name in ("straight_line", "random", "middle"):
        told += f" {by_kind.loc[name, 'sum']} of {by_kind.loc[name, 'size']} |"
    assert told in README, f"sample_data/README.md must say: {told}"
    assert sensitivity >= 0.5
    assert false_flags <= 0.03
    assert by_kind.loc["straight_line", "sum"] == by_kind.loc["straight_line", "size"]
    assert by_kind.loc["random", "sum"] >= 0.75 * by_kind.loc["random", "size"]


def test_answers_look_like_those_of_a_survey(shipped, pwiq):
    """Every answer is used by somebody, no item is a floor or a ceiling, scores have room on both sides."""
    for name, responses in shipped.items():
        answers = responses.answers.astype(float)
        for item in answers:
            shares = answers[item].value_counts(normalize=True)
            assert len(shares) == 5, (name, item)
            assert shares.between(0.005, 0.60).all(), (name, item)
        assert answers.mean().between(2.2, 4.2).all()
        assert answers.skew().abs().max() < 1.1
        scores = score(responses)[list(pwiq.subscales.ids)]
        assert scores.mean().between(40, 70).all()
        assert scores.std().between(14, 24).all()
        assert (scores.eq(0) | scores.eq(100)).mean().max() < 0.15  # the usual limit for floor and ceiling
        assert scores.notna().mean().min() > 0.80


def test_the_shipped_null_set_is_another_sample_without_effect(shipped, population, pwiq):
    drawn = simulate(without_effect(population), seed=SEED + 1, instrument=pwiq)
    for wave in WAVES:
        null = shipped[f"null_{wave}"]
        columns = ["form", "organisation", "team", *pwiq.items.ids]
        as_shipped, as_drawn = (
            responses.people[columns[:3]]
            .astype(str)
            .join(responses.answers)
            .sort_values(columns)
            .reset_index(drop=True)
            for responses in (null, drawn[wave])
        )
        pd.testing.assert_frame_equal(as_shipped.astype(str), as_drawn.astype(str))
        assert not null.answers.reset_index(drop=True).equals(shipped[wave].answers.reset_index(drop=True))
