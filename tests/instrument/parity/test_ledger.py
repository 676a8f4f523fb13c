"""Every platform's file, read back by readers that know nothing of ours; and what they say of files that were changed."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from instrument import read_instrument
from instrument.definition import Text
from instrument.parity import readers
from instrument.parity.ledger import (
    ledger_frame,
    ledger_rows,
    ledger_text,
    parity_ledger,
    parity_of,
    surveys_to_compare,
)
from instrument.platforms import PLATFORMS
from instrument.survey import ASPECTS, Asked, Survey, build_survey
from tests.instrument.platforms.surveys import SURVEYS

READERS = sorted(Path(str(readers.__file__)).parent.glob("*.py"))


@pytest.fixture(scope="module")
def pwiq():
    return read_instrument("pwiq")


@pytest.fixture(scope="module")
def all_forms(pwiq) -> Survey:
    return surveys_to_compare(pwiq)[0]


def told(entries) -> str:
    return "\n".join(
        f"{entry.platform} {entry.variant} {entry.survey}: {difference}"
        for entry in entries
        for verdict in entry.verdicts
        if verdict.verdict == "DIFFERENT"
        for difference in verdict.differences
    )


@pytest.fixture
def node_for(needs_tool):
    def check(platform):
        if platform == "google-forms":
            needs_tool("node")

    return check


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_platform_asks_the_same_or_says_what_it_loses(all_forms, pwiq, platform, node_for):
    node_for(platform)
    short = build_survey(pwiq, forms=["CS"], planning=True, wave=2)
    entries = parity_ledger([all_forms, short], platforms=[platform])
    assert not [entry.unread for entry in entries if entry.unread]
    assert all(entry.same for entry in entries), told(entries)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_another_questionnaire_is_the_same_too(platform, node_for, root):
    node_for(platform)
    small = read_instrument(root / "tests" / "data" / "small.toml")
    entries = parity_ledger(surveys_to_compare(small), platforms=[platform])
    assert all(entry.same for entry in entries), told(entries)


def changed(survey: Survey, name: str, change) -> Survey:
    """Return the survey with one question changed."""
    pages = tuple(
        replace(page, questions=tuple(change(q) if q.id == name else q for q in page.questions))
        for page in survey.pages
    )
    return replace(survey, pages=pages)


def _text(question: Asked) -> Asked:
    first, *others = question.text.pairs
    return replace(question, text=Text(((first[0], first[1].replace("in writing", "in stone")), *others)))


def _translation(question: Asked) -> Asked:
    first, second = question.text.pairs
    return replace(question, text=Text((first, (second[0], second[1] + " Siempre."))))


def _label(question: Asked) -> Asked:
    choice = question.choices[0]
    first, *others = choice.label.pairs
    swapped = replace(choice, label=Text(((first[0], "Disagree utterly"), *others)))
    return replace(question, choices=(swapped, *question.choices[1:]))


def _code(question: Asked) -> Asked:
    return replace(question, choices=(*question.choices[:-1], replace(question.choices[-1], code="66")))


def _required(question: Asked) -> Asked:
    return replace(question, required=True)


# What is changed → where, and the aspects in which it must be told.
MUTATIONS = {
    "one text": ("roleaf", _text, ("texts",)),
    "one text in another language": ("leadaf", _translation, ("languages",)),
    "one label": ("global10", _label, ("texts",)),
    "one code": ("training", _code, ("codes", "off_scale")),
    "one answer required": ("open1", _required, ("required",)),
    "one question gone": ("open2", None, ("texts",)),
}


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_changed_file_is_told_from_the_right_one(pwiq, platform, node_for):
    """All changes at once, each in a question of its own."""
    node_for(platform)
    original = build_survey(pwiq, forms=["CS"])
    survey = original
    for name, change, _ in MUTATIONS.values():
        if change is None:
            pages = tuple(replace(p, questions=tuple(q for q in p.questions if q.id != name)) for p in survey.pages)
            survey = replace(survey, pages=tuple(page for page in pages if page.questions))
        else:
            survey = changed(survey, name, change)
    lost = {loss.aspect for loss in PLATFORMS[platform].losses(survey) if not loss.where}
    for entry in parity_of(survey, PLATFORMS[platform], original=original):
        for what, (name, _, aspects) in MUTATIONS.items():
            seen = [d for v in entry.verdicts if v.aspect in aspects for d in v.differences if d.id == name]
            assert seen or set(aspects) <= lost, f"{what} went unnoticed in {entry.platform} {entry.variant}"
        assert not entry.same


def test_the_readers_import_nothing_of_ours():
    for path in READERS:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            ours = [name for name in names if name.split(".")[0] in ("instrument", "analysis")]
            assert all(name == "instrument.parity.readers.columns" for name in ours), f"{path.name}: {ours}"


def test_every_platform_has_a_reader_and_no_other_file_is_there():
    known = {name.replace("-", "_") for name in PLATFORMS} | {"__init__", "columns"}
    assert {path.stem for path in READERS} == known


def test_the_ledger_says_it_all(all_forms):
    entries = parity_ledger([all_forms], platforms=["bids", "fhir"])
    frame = ledger_frame(entries)
    assert frame.index.tolist() == ["fhir r4", "fhir r5", "bids"] or frame.index.tolist() == [
        "bids",
        "fhir r4",
        "fhir r5",
    ]
    assert frame.columns.tolist() == list(ASPECTS)
    text = ledger_text(entries)
    assert "What is lost:" in text
    assert "Read by:" in text


def test_the_ledger_file_has_a_row_a_difference_and_small_cells(all_forms):
    entries = parity_ledger([all_forms], platforms=["bids", "fhir"])
    rows = ledger_rows(entries)
    differences = [d for entry in entries for verdict in entry.verdicts for d in verdict.differences]
    equal = [verdict for entry in entries for verdict in entry.verdicts if not verdict.differences]
    assert len(rows) == len(differences) + len(equal)
    assert set(zip(rows["platform"], rows["variant"], rows["aspect"], strict=True)) == {
        (entry.platform, entry.variant, aspect) for entry in entries for aspect in ASPECTS
    }
    there = rows[rows["where"] != ""]
    assert there["where"].tolist() == [difference.where for difference in differences]
    assert (there["stated_loss"] != "").all()
    assert max(rows[name].str.len().max() for name in rows.columns) < 2000


def test_the_table_explains_the_marks_that_it_shows_and_no_others(pwiq):
    text = ledger_text(parity_ledger([build_survey(pwiq, languages=["en"])], platforms=["redcap"]))
    assert "same: read back" in text
    assert "–: nothing of this kind" in text
    assert "?: " not in text
    assert "DIFFERENT" not in text
    assert "off scale, loss: answers such as" in text
    assert "off scale, loss" not in ledger_text(parity_ledger([build_survey(pwiq)], platforms=["spss"]))


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_loss_is_a_sentence(platform):
    for survey in SURVEYS.values():
        for loss in PLATFORMS[platform].losses(survey):
            assert loss.what[0].isupper()
            assert loss.what.endswith(".")
            assert not loss.what.endswith("..")


def test_an_unknown_platform_is_refused(all_forms):
    with pytest.raises(ValueError, match="papyrus: no such platform; known are redcap"):
        parity_ledger([all_forms], platforms=["papyrus"])


def test_a_missing_reader_is_said_and_is_not_the_same(all_forms, monkeypatch):
    import instrument.parity.readers.bids as reader

    def missing(_):
        raise ModuleNotFoundError("No module named 'bids'", name="bids")

    monkeypatch.setattr(reader, "read", missing)
    (entry,) = parity_ledger([all_forms], platforms=["bids"])
    assert not entry.same
    assert entry.unread == "not read here: bids is not installed (pip install 'pwiq[parity]')"
    assert ledger_frame([entry]).loc["bids"].eq("not read").all()
