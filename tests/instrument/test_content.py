"""The content of PWIQ, proved from its two TOML files alone: no code of the package is imported."""

import itertools
import re
import tomllib
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "instrument" / "pwiq"
DEFINITION: dict[str, Any] = tomllib.loads((FOLDER / "pwiq.toml").read_text(encoding="utf-8"))
ENGLISH: dict[str, Any] = tomllib.loads((FOLDER / "text.en.toml").read_text(encoding="utf-8"))
ITEMS: dict[str, dict[str, Any]] = DEFINITION["items"]
TEXTS: dict[str, str] = {name: entry["text"] for name, entry in ENGLISH["items"].items()}
QUESTIONS: dict[str, dict[str, Any]] = DEFINITION["questions"]
THEMES: dict[str, dict[str, Any]] = DEFINITION["themes"]

SUBSCALES = ["role", "indu", "educ", "path", "supv", "reso", "devp", "lead", "voic", "cult", "prac"]
FORMS = ["P", "C", "M", "PS", "CS", "MS"]
FACILITATORS = [name for name in ITEMS if name.endswith("f")]
BARRIERS = [name for name in ITEMS if name.endswith("b")]

# The themes of the content blueprint, section A, and which subscale answers which (B2).
THEME_CODES = [
    *(f"S0.{n}" for n in range(1, 16)),
    *(f"S1.{n}" for n in range(1, 11)),
    *(f"S2.{n}" for n in range(1, 6)),
    *(f"S3.{n}" for n in range(1, 23)),
    *(f"S4.{n}" for n in range(1, 20)),
]
THEMES_OF = {
    "role": "S0.3 S0.5 S1.2 S1.3 S3.14 S3.17 S3.18 S3.21 S4.2 S4.10",
    "indu": "S0.5 S0.8 S1.4 S2.4 S3.11 S3.15 S3.19 S4.1",
    "educ": "S0.5 S0.9 S1.1 S1.2 S2.1 S2.3 S3.20 S4.9 S4.11",
    "path": "S0.6 S0.10 S1.10 S3.2 S3.22 S4.5",
    "supv": "S0.6 S0.11 S1.6 S2.5 S3.13 S3.16 S4.3",
    "reso": "S0.6 S1.5 S3.3 S3.8 S3.9 S3.11 S4.1 S4.3",
    "devp": "S0.6 S0.13 S2.5 S3.7 S3.19 S4.1",
    "lead": "S0.7 S0.12 S1.7 S1.8 S1.9 S2.2 S3.10",
    "voic": "S0.2 S0.7 S0.14 S1.7 S3.6 S3.11 S4.4",
    "cult": "S0.1 S0.4 S0.7 S1.7 S1.10 S3.1 S3.4 S3.5 S3.6 S3.10 S3.12 S4.3 S4.18 S4.19",
    "prac": "S0.3 S4.5 S4.6 S4.7 S4.8 S4.12 S4.13 S4.14 S4.15 S4.16 S4.17",
}

# Words whose syllables the counting rule below gets wrong.
SYLLABLES = {"colleagues": 2, "everyday": 3, "experience": 4, "something": 2, "unique": 2}
NEGATIONS = {
    *("not", "no", "never", "without", "nobody", "none", "nothing", "nowhere", "neither", "nor", "cannot"),
    *("lack", "lacks", "lacking", "absent", "missing", "fail", "fails", "hardly", "rarely", "seldom"),
}


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+(?:'[a-z]+)*", text.lower().replace("’", "'"))


def sentence_frames(text: str) -> set[tuple[str, ...]]:
    found = words(text)
    return set(zip(found, found[1:], found[2:], found[3:], strict=False))


def syllables(word: str) -> int:
    """Count the groups of vowels, less those that are silent at the end."""
    word = re.sub(r"'s$|'", "", word)
    if word in SYLLABLES:
        return SYLLABLES[word]
    count = len(re.findall(r"[aeiouy]+", word))
    silent_e = re.search(r"[^aeiouyl]e$|[aeiouy]le$", word)
    silent_ed = re.search(r"[^aeiouytd]ed$", word)
    silent_es = re.search(r"[^aeiouyscxzg]es$", word) and not re.search(r"[cs]hes$", word)
    return max(1, count - bool(silent_e) - bool(silent_ed) - bool(silent_es))


def flesch_kincaid(text: str) -> float:
    """School grade of one sentence (Kincaid et al. 1975)."""
    found = words(text)
    return 0.39 * len(found) + 11.8 * sum(map(syllables, found)) / len(found) - 15.59


def forcast(texts: list[str]) -> float:
    """School grade of a list of sentences (Caylor et al. 1973): words of one syllable in 150."""
    found = [word for text in texts for word in words(text)]
    return 20 - 15 * sum(syllables(word) == 1 for word in found) / len(found)


def asked_by(form: str) -> list[str]:
    table = DEFINITION["forms"][form]
    full = table.get("short_of", form)
    without = DEFINITION["forms"][full].get("without", [])
    return [
        name
        for name, item in ITEMS.items()
        if item["subscale"] + item["facet"] not in without and ("short_of" not in table or item.get("short"))
    ]


def every_text(table: dict[str, Any]) -> list[str]:
    found: list[str] = []
    for entry in table.values():
        found += every_text(entry) if isinstance(entry, dict) else entry if isinstance(entry, list) else [entry]
    return found


# ---- structure


def test_there_are_eleven_subscales_of_three_facets_in_both_wordings() -> None:
    expected = [f"{subscale}{facet}{wording}" for subscale in SUBSCALES for facet in "abc" for wording in "fb"]
    assert list(ITEMS) == expected
    assert len(ITEMS) == 66
    assert len(FACILITATORS) == len(BARRIERS) == 33


@pytest.mark.parametrize("name", ITEMS)
def test_an_id_says_what_the_item_is(name: str) -> None:
    item = ITEMS[name]
    assert re.fullmatch(r"[a-z][a-z0-9]{1,14}", name)
    assert name == item["subscale"] + item["facet"] + item["wording"][0]
    assert item.get("reverse", False) == (item["wording"] == "barrier")


def test_colleagues_are_not_asked_what_they_cannot_see() -> None:
    counts = {form: len(asked_by(form)) for form in FORMS}
    assert list(DEFINITION["forms"]) == FORMS
    assert counts == {"P": 66, "C": 58, "M": 66, "PS": 22, "CS": 22, "MS": 22}
    left_out = {name[:5] for name in set(ITEMS) - set(asked_by("C"))}
    assert left_out == {"indua", "supvb", "resob", "devpb"}


def test_short_forms_ask_one_of_each_wording_of_every_subscale() -> None:
    short = [name for name, item in ITEMS.items() if item.get("short")]
    assert asked_by("PS") == asked_by("CS") == asked_by("MS") == short
    assert set(short) <= set(asked_by("C"))
    for subscale in SUBSCALES:
        chosen = [name for name in short if name.startswith(subscale)]
        assert sorted(name[-1] for name in chosen) == ["b", "f"]
        assert len({name[4] for name in chosen}) == 2, f"{subscale}: both short items are of one facet"
    assert min(Counter(name[4] for name in short).values()) >= 6


def test_answers_are_five_with_three_beside_the_scale() -> None:
    agree = DEFINITION["response_scales"]["agree"]
    assert DEFINITION["instrument"]["item_scale"] == "agree"
    assert not any("scale" in item for item in ITEMS.values())
    assert agree["codes"] == [1, 2, 3, 4, 5]
    assert [(off["code"], off["reason"], off.get("only_while")) for off in agree["off_scale"]] == [
        (97, "dont_know", None),
        (98, "does_not_apply", None),
        (99, "not_started", "planning"),
    ]


def test_every_pair_says_why_both_can_be_true() -> None:
    reasons = [
        facet["both_true"] for subscale in DEFINITION["subscales"].values() for facet in subscale["facets"].values()
    ]
    assert len(reasons) == len(set(reasons)) == 33
    for reason in reasons:
        assert reason[0].isupper()
        assert reason.endswith(".")
        assert len(words(reason)) >= 12
        assert " while " in reason, "the reason must join the facilitator and the barrier"


# ---- wording


@pytest.mark.parametrize(("first", "second"), [("f", "b"), ("f", "f"), ("b", "b")])
def test_no_two_items_share_four_words_in_a_row(first: str, second: str) -> None:
    shared = {
        (one, other): common
        for one, other in itertools.combinations(TEXTS, 2)
        if {one[-1], other[-1]} == {first, second}
        and (common := sentence_frames(TEXTS[one]) & sentence_frames(TEXTS[other]))
    }
    assert shared == {}


def test_the_frame_check_sees_a_shared_frame() -> None:
    assert sentence_frames("Here, peer workers are given space.") & sentence_frames("When PEER workers are given work")
    assert not sentence_frames("One two three four") & sentence_frames("one two three five four")


@pytest.mark.parametrize("name", BARRIERS)
def test_a_barrier_is_no_facilitator_with_a_negation(name: str) -> None:
    found = words(TEXTS[name])
    assert not NEGATIONS & set(found)
    assert not any(word.endswith("n't") for word in found)


@pytest.mark.parametrize("name", FACILITATORS)
def test_no_facilitator_needs_a_negation(name: str) -> None:
    found = words(TEXTS[name])
    assert not NEGATIONS & set(found)
    assert not any(word.endswith("n't") for word in found)


@pytest.mark.parametrize("name", TEXTS)
def test_an_item_is_one_short_plain_statement(name: str) -> None:
    text = TEXTS[name]
    assert text.endswith(".")
    assert text.count(".") == 1
    assert 7 <= len(words(text)) <= 20
    assert "/" not in text
    assert "and" not in words(text), "one idea each"
    assert not re.search(r"\b[A-Z]{2,}\b", text), "no acronyms"
    assert not {"i", "my", "me", "we", "you", "your"} & set(words(text)), "about the service, not the respondent"
    assert not {"patient", "patients", "client", "clients", "mentally", "suffer"} & set(words(text))
    assert flesch_kincaid(text) <= 9


def test_the_syllable_counter_agrees_with_a_dictionary() -> None:
    known = {
        "peer": 1, "workers": 2, "people": 2, "experience": 4, "colleagues": 2, "managers": 3, "service": 2,
        "services": 3, "roles": 1, "asked": 1, "treated": 2, "used": 1, "families": 3, "recovery": 4,
        "supervises": 4, "courses": 2, "decisions": 3, "government": 3, "boundary": 3, "unique": 2,
        "certificate": 4, "leaves": 1, "pressed": 1, "are": 1, "whether": 2, "invited": 3, "rules": 1,
    }  # fmt: skip
    assert {word: syllables(word) for word in known} == known


def test_readability_is_grade_eight_or_easier() -> None:
    grades = [flesch_kincaid(text) for text in TEXTS.values()]
    assert sum(grades) / len(grades) <= 6
    assert sum(grade > 8 for grade in grades) <= 3
    # FORCAST counts every two-syllable word as hard, "peer worker" among them: a term that page one explains
    # and that two items in three must use. Reported in docs/instrument.md with and without it.
    assert forcast(list(TEXTS.values())) <= 9
    explained = [re.sub(r"\bpeer workers?\b", "peers", text, flags=re.I) for text in TEXTS.values()]
    assert forcast(explained) <= 8.5


def test_sentences_do_not_all_open_alike() -> None:
    openings = Counter(" ".join(words(text)[:2]) for text in TEXTS.values())
    assert openings.most_common(1)[0][1] <= 12
    assert len(openings) >= 35


def test_items_speak_of_families_and_first_nations_people() -> None:
    text = " ".join(TEXTS.values())
    assert re.search("First Nations", TEXTS["cultcf"])
    assert re.search("carer", TEXTS["cultcb"])
    assert re.search("Families or carers", text)


# ---- where it comes from


@pytest.mark.parametrize("name", ITEMS)
def test_an_item_names_its_sources(name: str) -> None:
    sources = ITEMS[name]["sources"]
    assert 1 <= len(sources) <= 4
    assert len({source["theme"] for source in sources}) == len(sources)
    for source in sources:
        assert source["theme"] in THEMES
        assert len(source["phrase"]) >= 9
        series, number = map(int, source["theme"][1:].split("."))
        beyond_the_seed = series == 3 and 4 <= number <= 13
        assert (source.get("via") == "full abstract") == beyond_the_seed


def test_every_theme_of_the_blueprint_is_listed() -> None:
    assert list(THEMES) == THEME_CODES
    assert len(THEMES) == 71
    assert all(theme["source"] and theme["theme"] for theme in THEMES.values())


@pytest.mark.parametrize("code", THEME_CODES)
def test_every_theme_is_traced(code: str) -> None:
    traced = [name for name, item in ITEMS.items() if code in {s["theme"] for s in item["sources"]}]
    if code == "S0.15":  # the context of a sample is no item content
        assert traced == []
        assert THEMES[code]["question"] in QUESTIONS
    else:
        assert traced
    if code in ("S3.3", "S4.4", "S4.11"):
        assert THEMES[code]["note"]


@pytest.mark.parametrize("subscale", SUBSCALES)
def test_a_subscale_covers_its_themes(subscale: str) -> None:
    expected = THEMES_OF[subscale].split()
    assert DEFINITION["subscales"][subscale]["themes"] == expected
    traced = defaultdict(list)
    for name, item in ITEMS.items():
        if item["subscale"] == subscale:
            for source in item["sources"]:
                traced[source["theme"]].append(name)
    assert set(traced) == set(expected)


# ---- what to do about it


def test_every_subscale_has_a_family_of_actions_that_takes_up_its_themes() -> None:
    assert list(DEFINITION["actions"]) == SUBSCALES
    for subscale, action in DEFINITION["actions"].items():
        assert len(action["themes"]) >= 3
        assert set(action["themes"]) < set(THEMES_OF[subscale].split())
        steps = ENGLISH["actions"][subscale]["steps"]
        assert 3 <= len(steps) <= 4
        assert len({step.split()[0] for step in steps}) == len(steps), "each step begins with its own verb"


def test_steps_are_plain_and_short() -> None:
    steps = [step for action in ENGLISH["actions"].values() for step in action["steps"]]
    assert len(set(steps)) == len(steps)
    for step in steps:
        assert step.endswith(".")
        assert 8 <= len(words(step)) <= 30
        assert not {"must", "should", "shall", "patient", "patients", "client", "clients"} & set(words(step))
    grades = [flesch_kincaid(step) for step in steps]
    assert sum(grades) / len(grades) <= 9


def test_signals_are_the_patterns_of_the_blueprint() -> None:
    signals = DEFINITION["signals"]
    pairs = [(s["high"], s["low"]) for s in signals.values() if s["kind"] == "subscales"]
    assert pairs == [("lead", ["voic"]), ("cult", ["role"]), ("indu", ["devp"])]
    assert (signals["viewfromabove"]["high"], signals["viewfromabove"]["low"]) == ("M", ["P"])
    assert signals["firstmonths"]["low"] == ["induc", "supvc"]
    assert {s["points"] for s in signals.values()} == {12.5}
    assert {name: form.get("who") for name, form in DEFINITION["forms"].items()} == {
        "P": "peers", "C": "colleagues", "M": "managers", "PS": None, "CS": None, "MS": None,
    }  # fmt: skip


# ---- questions


def test_the_other_questions_are_those_agreed() -> None:
    for subscale in SUBSCALES:
        importance, difficulty = QUESTIONS[f"imp{subscale}"], QUESTIONS[f"dif{subscale}"]
        assert (importance["role"], importance["subscale"]) == ("importance", subscale)
        assert "forms" not in importance
        assert (difficulty["role"], difficulty["subscale"]) == ("difficulty", subscale)
        assert difficulty["forms"] == ["M", "MS"]
    assert QUESTIONS["stay"]["forms"] == QUESTIONS["satisfied"]["forms"] == ["P", "PS"]
    assert QUESTIONS["change7"]["asked"] == "follow-up"
    assert QUESTIONS["perspective"]["asked"] == "off"
    assert QUESTIONS["perspective"]["multiple"]
    roles = Counter(question["role"] for question in QUESTIONS.values())
    assert roles["importance"] == roles["difficulty"] == 11
    assert [name for name, q in QUESTIONS.items() if q["role"] == "code"] == [f"code{n}" for n in range(1, 7)]
    assert [name for name, q in QUESTIONS.items() if q["role"] == "open"] == ["open1", "open2"]
    assert {"wave", "date", "form", "version", "language"} <= {
        name for name, q in QUESTIONS.items() if q["role"] == "system"
    }


def test_who_could_be_recognised_is_stated_for_every_question() -> None:
    assert all(question.get("risk") in ("high", "medium", "low") for question in QUESTIONS.values())
    high = {name for name, question in QUESTIONS.items() if question["risk"] == "high"}
    codes = {f"code{n}" for n in range(1, 7)}
    assert high == codes | {*("open1", "open2", "rolefunction", "liveexp", "perspective", "organisation", "team")}
    for name in ("age", "gender", "diagnosis"):
        assert name not in QUESTIONS


def test_ids_survive_every_platform() -> None:
    columns = [*ITEMS]
    for name, question in QUESTIONS.items():
        columns.append(name)
        if question.get("multiple"):
            scale = DEFINITION["response_scales"][question["scale"]]
            columns += [f"{name}{code}" for code in [*scale["codes"], *(o["code"] for o in scale["off_scale"])]]
    assert all(re.fullmatch(r"[a-z][a-z0-9]{1,14}", column) for column in columns)
    assert len({column.lower() for column in columns}) == len(columns)


# ---- scores and texts


def test_scores_stand_in_the_agreed_order() -> None:
    composites = ["preparation", "process", "culture", "macro"]
    indexes = ["facilitator_index", "barrier_index", "integration", "balance", "acquiescence"]
    assert list(DEFINITION["scores"]) == SUBSCALES + composites + indexes
    assert DEFINITION["scores"]["integration"]["of"] == SUBSCALES
    assert [name for name, score in DEFINITION["scores"].items() if "short" not in score] == [
        *SUBSCALES,
        "macro",
    ]


def test_texts_and_definition_name_the_same_things() -> None:
    for section in ("response_scales", "subscales", "forms", "items", "questions", "scores", "actions", "signals"):
        assert list(ENGLISH[section]) == list(DEFINITION[section]), section
    for name, scale in DEFINITION["response_scales"].items():
        codes = [*scale["codes"], *(off["code"] for off in scale.get("off_scale", []))]
        assert sorted(ENGLISH["response_scales"][name]) == sorted(map(str, codes))
    for name, subscale in DEFINITION["subscales"].items():
        assert list(ENGLISH["subscales"][name]["facets"]) == list(subscale["facets"]) == ["a", "b", "c"]


def test_no_text_is_empty_or_offers_two_things_at_once() -> None:
    texts = every_text(ENGLISH)
    assert len(texts) > 300
    for text in texts:
        assert text.strip()
        assert "and/or" not in text
        assert not re.search(r"\b[A-Z]{2,}\b", text.replace("PWIQ", "").replace("(P, C, M, PS, CS, MS)", ""))


def test_the_draft_says_so() -> None:
    assert DEFINITION["instrument"]["status"] == "draft"
    assert DEFINITION["instrument"]["licence"] == "CC-BY-4.0"
    assert "not yet validated" in ENGLISH["instrument"]["banner"]
    assert "past 3 months" in ENGLISH["instrument"]["instructions"]
    assert "the service adapts" in ENGLISH["instrument"]["instructions"]
