"""Edits between two versions of a definition: each kind, made on purpose in a copy of a definition's files."""

import shutil
from pathlib import Path

import pytest

from instrument import read_instrument
from instrument.evidence import evidence_for, read_evidence
from instrument.versions import (
    _words,
    comparable_scores,
    compare_versions,
    enough_items,
    unchanged_items,
    versions_text,
)

ROOT = Path(__file__).parents[2]
SMALL = ROOT / "tests/data/small.toml"
COMPARED = ROOT / "tests/data/compared"
OLD = read_instrument(SMALL)


@pytest.fixture
def small(tmp_path):
    """Read a copy of small.toml in which some texts were replaced."""

    def changed(*edits, old=SMALL):
        text = Path(old).read_text(encoding="utf-8")
        for before, after in edits:
            assert text.count(before) == 1, f"{before!r} stands {text.count(before)} times"
            text = text.replace(before, after)
        path = tmp_path / "edited.toml"
        path.write_text(text.replace('version = "1.0.0"', 'version = "1.1.0"'), encoding="utf-8")
        return read_instrument(path)

    return changed


@pytest.fixture
def pwiq(tmp_path):
    """Read a copy of PWIQ in which a text of one of its files was replaced."""

    def changed(before, after, *, file="text.en.toml"):
        folder = tmp_path / "pwiq"
        shutil.copytree(ROOT / "instrument/pwiq", folder, dirs_exist_ok=True)
        text = (folder / file).read_text(encoding="utf-8")
        assert text.count(before) == 1, f"{before!r} stands {text.count(before)} times"
        (folder / file).write_text(text.replace(before, after), encoding="utf-8")
        return read_instrument(folder)

    return changed


def kinds(old, new):
    """(part, id, what) → edit."""
    table = compare_versions(old, new).reset_index()
    return {(row.part, row.id, row.what): row.edit for row in table.itertuples()}


# Kinds of edits


def test_a_definition_does_not_differ_from_itself():
    assert compare_versions(OLD, OLD).empty
    assert unchanged_items(OLD, OLD) == OLD.items.ids
    assert set(comparable_scores(OLD, OLD)["verdict"]) == {"same"}
    assert "nothing was edited" in versions_text(OLD, OLD)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("I take my breaks.", "I take my breaks"),
        ("I take my breaks.", "I  Take my breaks!"),
        ("I take my breaks.", "I take ‘my’ breaks…"),
        ("Mistakes are talked about behind people's backs.", "Mistakes are talked about behind people’s backs."),
        ("There is time to think between tasks.", "There is time – to think – between tasks."),
    ],
)
def test_case_punctuation_and_blanks_are_cosmetic(small, before, after):
    new = small((f'"{before}"', f'"{after}"'))
    assert list(kinds(OLD, new).values()) == ["cosmetic"]
    assert unchanged_items(OLD, new) == OLD.items.ids
    assert set(comparable_scores(OLD, new)["verdict"]) == {"same"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("I take my breaks.", "I take all my breaks."),
        ("I take my breaks.", "I do not take my breaks."),
        ("I take my breaks.", "I take my break s."),
        ("I take my breaks.", "I take 50 % of my breaks."),
        ("I take my breaks.", "We take my breaks."),
    ],
)
def test_another_word_is_wording(small, before, after):
    new = small((f'"{before}"', f'"{after}"'))
    assert kinds(OLD, new) == {("item", "rest1", "text"): "wording"}
    assert unchanged_items(OLD, new) == OLD.items.ids[1:]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("fewer than 3 (<3)", "fewer than 3 (>3)", False),
        ("-2", "2", False),
        ("−2", "-2", True),
        ("1.5 hours", "15 hours", False),
        ("3–5 days", "3-5 days", True),
        ("50%", "50 %", True),
        ("50 %", "50", False),
        ("Café", "Cafe\u0301", True),
        ("can't", "cannot", False),
        ("all", "a l l", False),
    ],
)
def test_signs_that_say_something_are_no_punctuation(one, other, same):
    assert (_words(one) == _words(other)) is same


def test_each_kind_of_edit_is_named(small):
    new = small(
        ('title.en = "Rest"\nconstruct', 'title.en = "Recovery"\nconstruct'),
        ('text.en = "My leave is planned with me."', 'text.en = "My leave is planned with me, and kept."'),
        ('text.en = "Work follows me into the weekend."\nsubscale = "rest"\nreverse = true',
         'text.en = "Work follows me into the weekend."\nsubscale = "rest"'),
        ('text.en = "Which shift do you mostly work?"', 'text.en = "Which shift do you work most of the time?"'),
        ('of = ["rest", "trust"]\nminimum = 2', 'of = ["rest", "trust"]\nminimum = 1'),
        ('[items.trust5]\ntext.en = "We keep our promises to each other."\nsubscale = "trust"\n',
         '[items.trust6]\ntext.en = "We keep our promises."\nsubscale = "trust"\n'),
    )  # fmt: skip
    assert kinds(OLD, new) == {
        ("subscale", "rest", "title"): "cosmetic",
        ("item", "rest4", "reverse"): "key",
        ("item", "rest5", "text"): "wording",
        ("item", "trust5", "item"): "removed",
        ("item", "trust6", "item"): "added",
        ("question", "shift", "text"): "wording",
        ("score", "wellbeing", "minimum"): "key",
    }
    assert unchanged_items(OLD, new) == ("rest1", "rest2", "rest3", "trust1", "trust2", "trust3", "trust4")
    scores = comparable_scores(OLD, new)
    # rest has 3 of 5 unchanged, and asks for 2 in 3, which of 5 are 4.
    assert scores["verdict"].to_dict() == {
        "rest": "not comparable",
        "trust": "comparable on the 4 unchanged items",
        "wellbeing": "not comparable",
    }
    assert scores.loc["trust", ["items", "unchanged"]].tolist() == [6, 4]


@pytest.mark.parametrize(
    ("before", "after", "edit", "what"),
    [
        ('2 = "Often"', '2 = "Frequently"', "wording", "label of 2"),
        ('2 = "Often"', '2 = "often"', "cosmetic", "label of 2"),
        ('reason = "dont_know"', 'reason = "does_not_apply"', "scale", "off_scale"),
    ],
)
def test_an_edit_of_the_answers_touches_every_item_that_uses_them(small, before, after, edit, what):
    new = small((before, after))
    assert kinds(OLD, new) == {("response scale", "often", what): edit}
    assert unchanged_items(OLD, new) == (OLD.items.ids if edit == "cosmetic" else ())
    verdict = "same" if edit == "cosmetic" else "not comparable"
    assert set(comparable_scores(OLD, new)["verdict"]) == {verdict}


def test_another_number_of_categories_is_a_change_of_scale(small):
    new = small(("codes = [0, 1, 2, 3]", "codes = [0, 1, 2, 3, 4]"), ('3 = "Always"', '3 = "Mostly", 4 = "Always"'))
    found = kinds(OLD, new)
    assert found[("response scale", "often", "codes")] == "scale"
    assert compare_versions(OLD, new)["items"].max() == 10
    assert unchanged_items(OLD, new) == ()


def test_items_on_another_scale_are_changed_only_if_the_scale_is(small):
    def with_a_scale_of_their_own(one):
        scale = SMALL.read_text(encoding="utf-8").split("[response_scales.often]")[1].split("[subscales.rest]")[0]
        again = "[response_scales.again]" + scale.replace("Sometimes", one)
        texts = [OLD.items[f"rest{number}"].text["en"] for number in range(1, 6)]
        items = [(f'text.en = "{text}"\n', f'text.en = "{text}"\nscale = "again"\n') for text in texts]
        return small(("[subscales.rest]\n", f"{again}[subscales.rest]\n"), *items)

    same = with_a_scale_of_their_own("Sometimes")
    assert unchanged_items(OLD, same) == OLD.items.ids
    differs = with_a_scale_of_their_own("Rarely")
    assert unchanged_items(OLD, differs) == OLD.items.ids[5:]
    assert kinds(OLD, differs)[("item", "rest1", "label of 1")] == "wording"


def test_another_order_is_told_and_stops_nothing(small):
    one = '[items.rest1]\ntext.en = "I take my breaks."\nsubscale = "rest"\n'
    two = '[items.rest3]\ntext.en = "There is time to think between tasks."\nsubscale = "rest"\n'
    new = small((one, "[[1]]"), (two, one), ("[[1]]", two))
    assert kinds(OLD, new) == {("questionnaire", "wellteam", "order of the items"): "order"}
    assert unchanged_items(OLD, new) == OLD.items.ids


def test_languages_are_compared_one_by_one(tmp_path):
    def bilingual(french):
        text = SMALL.read_text(encoding="utf-8").replace('languages = ["en"]', 'languages = ["en", "fr"]')
        lines = []
        for line in text.splitlines():
            lines.append(line)
            if line.startswith(("title.en", "banner.en", "construct.en", "text.en", "labels.en")):
                lines.append(line.replace(".en", ".fr", 1))
        (tmp_path / "b.toml").write_text(
            "\n".join(lines).replace('text.fr = "I take my breaks."', f'text.fr = "{french}"'), encoding="utf-8"
        )
        return read_instrument(tmp_path / "b.toml")

    first, second = bilingual("Je prends mes pauses."), bilingual("Je fais des pauses.")
    assert compare_versions(first, second)["language"].tolist() == ["fr"]
    assert unchanged_items(first, second) == OLD.items.ids[1:]
    assert unchanged_items(first, second, language="en") == OLD.items.ids
    assert unchanged_items(first, second, language="fr") == OLD.items.ids[1:]
    assert comparable_scores(first, second, language="en").loc["rest", "verdict"] == "same"
    assert comparable_scores(first, second).loc["rest", "verdict"] == "comparable on the 4 unchanged items"
    # A language that only one version has is an edit of its own, and changes no item in the others.
    assert kinds(OLD, first) == {("language", "fr", "language"): "added"}
    assert unchanged_items(OLD, first) == OLD.items.ids
    with pytest.raises(ValueError, match="language 'fr' must be one that both versions have: en"):
        unchanged_items(OLD, first, language="fr")


# PWIQ itself


def test_a_word_in_one_item_of_pwiq(pwiq):
    old = read_instrument("pwiq")
    text = old.items["roleaf"].text["en"]
    new = pwiq(f'"{text}"', f'"Here, {text}"')
    assert kinds(old, new) == {("item", "roleaf", "text"): "wording"}
    scores = comparable_scores(old, new)
    assert scores.loc["role", "verdict"] == "comparable on the 5 unchanged items"
    assert scores.loc["indu", "verdict"] == "same"
    assert scores.loc["integration", "verdict"] == "comparable on the 65 unchanged items"
    assert scores.loc["barrier_index", "verdict"] == "same"
    assert scores.loc["facilitator_index", "verdict"].startswith("comparable on the 28")
    assert scores.loc["balance", "verdict"].startswith("comparable on the 57")
    shown = versions_text(old, new)
    assert "1 edits (1 wording)" in shown
    assert "roleaf" in shown


def test_other_instructions_touch_every_item_of_pwiq(pwiq):
    old = read_instrument("pwiq")
    new = pwiq("thinking of the past 3 months", "thinking of the past 6 months")
    table = compare_versions(old, new)
    assert table[["edit", "what"]].values.tolist() == [["wording", "instructions"]]
    assert table["items"].tolist() == [66]
    assert unchanged_items(old, new) == ()
    assert set(comparable_scores(old, new)["verdict"]) == {"not comparable"}


def test_another_rule_of_a_score_asks_for_one_definition(pwiq):
    old = read_instrument("pwiq")
    new = pwiq(
        '[scores.role]\nkind = "subscale"\nrule = "balanced_mean"',
        '[scores.role]\nkind = "subscale"\nrule = "mean"',
        file="pwiq.toml",
    )
    assert kinds(old, new) == {("score", "role", "rule"): "key"}
    row = comparable_scores(old, new).loc["role"]
    assert row["verdict"] == "comparable on the 6 unchanged items"
    assert "score both files by one definition" in row["reason"]


# What cannot be compared


def test_two_questionnaires_are_no_versions_of_one():
    with pytest.raises(ValueError, match="wellteam and pwiq are two questionnaires"):
        compare_versions(OLD, read_instrument("pwiq"))


def test_two_of_each_wording_are_enough():
    of = read_instrument(COMPARED)
    air = of.scores["air"].items
    assert enough_items(of, [name for name in air if name not in ("airaf", "airab")], air)
    assert not enough_items(of, [name for name in air if name not in ("airaf", "airbf")], air)
    assert enough_items(OLD, ("rest1", "rest2", "rest3"), OLD.scores["rest"].items)
    assert not enough_items(OLD, ("rest1", "rest2"), OLD.scores["rest"].items)


# Evidence that comes with a definition


def test_evidence_is_read_and_found_by_version_and_comparison():
    (study,) = read_evidence(COMPARED)
    of = read_instrument(COMPARED)
    assert evidence_for((study,), of, between="waves") == {"air": study}
    assert evidence_for((study,), of, between="forms") == {}
    assert evidence_for((study,), of, between="waves", versions=("1.1.0",)) == {}
    assert evidence_for((study,), OLD, between="waves") == {}
    larger = study.model_copy(update={"n": 2000})
    assert evidence_for((larger, study), of, between="waves") == {"air": larger}
    unknown = study.model_copy(update={"scores": ["water"]})
    with pytest.raises(ValueError, match="does not have: water"):
        evidence_for((unknown,), of, between="waves")


def test_a_definition_without_evidence_has_none():
    assert read_evidence("pwiq") == ()
    assert read_evidence(SMALL) == ()
    with pytest.raises(FileNotFoundError):
        read_evidence("nothing")


def test_faults_of_evidence_are_named_with_their_file(tmp_path):
    folder = tmp_path / "compared"
    shutil.copytree(COMPARED, folder)
    text = (folder / "evidence/pretend.toml").read_text(encoding="utf-8")
    (folder / "evidence/pretend.toml").write_text(text.replace("n = 900", 'n = "many"\nmore = 1'), encoding="utf-8")
    (folder / "evidence/broken.toml").write_text("title = ", encoding="utf-8")
    with pytest.raises(ValueError, match=r"broken\.toml: this is not TOML") as caught:
        read_evidence(folder)
    assert "pretend.toml: n:" in str(caught.value)
    assert "pretend.toml: more:" in str(caught.value)
