import copy
import dataclasses
import json
import pickle
import tomllib
from pathlib import Path

import jsonschema
import pytest

from instrument.definition import InstrumentError, read_instrument
from instrument.definition_file import definition_schema, lasting

DATA = Path(__file__).parents[1] / "data"
FORMS = (DATA / "forms.toml").read_text(encoding="utf-8")
SMALL = (DATA / "small.toml").read_text(encoding="utf-8")


def write(path, source):
    path.write_text(source, encoding="utf-8")
    return path


def faults(path):
    with pytest.raises(InstrumentError) as caught:
        read_instrument(path)
    return caught.value.faults


def changed(source, *changes):
    for old, new in changes:
        assert source.count(old) >= 1, old
        source = source.replace(old, new, 1)
    return source


def line_of(source, text):
    return next(number for number, line in enumerate(source.splitlines(), start=1) if line == text)


def test_the_small_questionnaire():
    small = read_instrument(DATA / "small.toml")
    assert (small.id, small.version, small.status, small.languages) == ("wellteam", "1.0.0", "draft", ("en",))
    assert small.title["en"] == "Team wellbeing check (example)"
    assert len(small.items) == 10
    assert small.items.ids[:2] == ("rest1", "rest2")
    assert [item.id for item in small.items if item.reverse] == ["rest2", "rest4", "trust2", "trust4"]
    assert small.questions.ids == ("shift",)
    assert small.forms == ()
    assert not small.has_wordings
    assert small.asked_by(None) == small.items.ids
    scale = small.response_scales["often"]
    assert (scale.low, scale.high, scale.labels[9]["en"]) == (0, 3, "Can't say")
    assert scale.off_scale[0].reason == "dont_know"
    assert small.scores["rest"].items == ("rest1", "rest2", "rest3", "rest4", "rest5")
    assert small.scores["rest"].required(5) == 4  # two thirds of 5 are 3.33
    assert len(small.digest) == 64


def test_forms_decide_who_is_asked_what():
    canteen = read_instrument(DATA / "forms.toml")
    place = ("placeaf", "placeab", "placebf", "placebb")
    assert canteen.asked_by("P") == canteen.items.ids
    assert canteen.asked_by("C") == ("foodaf", "foodab", *place)
    assert canteen.asked_by("PS") == canteen.asked_by("CS") == canteen.short_items
    assert canteen.short_items == ("foodaf", "foodab", "placeaf", "placeab")
    assert canteen.common_items == ("foodaf", "foodab", *place)
    assert canteen.full_forms == ("P", "C")
    assert canteen.items["foodbb"].forms == ("P",)
    assert canteen.items["foodab"].text["es"] == "La sopa viene demasiado salada."
    assert canteen.questions["satisfied"].forms == ("P", "PS")
    assert canteen.questions["open1"].forms == canteen.forms.ids
    assert canteen.scores["facilitator_index"].items == ("foodaf", "placeaf", "placebf")
    assert canteen.scores["facilitator_index"].export == "facindex"
    assert canteen.scores["food"].export == "food"
    short = canteen.scores["total"].short
    assert (short.rule, short.items, short.of, short.minimum) == ("balanced_mean", canteen.items.ids, (), 3)
    assert canteen.scores["food"].short is None


@pytest.mark.parametrize(
    ("minimum", "asked", "required"),
    [((2, 3), 6, 4), ((2, 3), 4, 3), ((2, 3), 29, 20), ((2, 3), 3, 2), ((1, 2), 5, 3), (9, 11, 9)],
)
def test_a_minimum_is_rounded_up_in_whole_numbers(minimum, asked, required):
    rule = read_instrument(DATA / "small.toml").scores["rest"]
    assert dataclasses.replace(rule, minimum=minimum).required(asked) == required


def test_a_catalogue_finds_by_position_and_by_id():
    items = read_instrument(DATA / "small.toml").items
    assert items[0] is items["rest1"]
    assert items[1:3] == (items["rest2"], items["rest3"])
    assert "rest1" in items
    assert items["rest1"] in items
    assert "rest9" not in items
    with pytest.raises(KeyError, match="'rest9' is not one of rest1, rest2"):
        items["rest9"]


def test_an_instrument_cannot_be_changed():
    canteen = read_instrument(DATA / "forms.toml")
    for entry in (canteen, canteen.items[0], canteen.response_scales[0], canteen.scores[0], canteen.questions[0]):
        with pytest.raises(dataclasses.FrozenInstanceError):
            entry.id = "other"
    with pytest.raises(TypeError):
        canteen.items[0] = canteen.items[1]
    with pytest.raises(TypeError):
        canteen.title["en"] = "other"
    with pytest.raises(TypeError):
        canteen.response_scales[0].labels[1] = "other"
    assert hash(canteen) == hash(read_instrument(DATA / "forms.toml"))
    assert pickle.loads(pickle.dumps(canteen)) == canteen == copy.deepcopy(canteen)


def test_the_errors_survive_pickling():
    error = InstrumentError(["a:1: x: wrong", "a:2: y: wrong"])
    assert pickle.loads(pickle.dumps(error)).faults == error.faults
    assert str(error) == "a:1: x: wrong\na:2: y: wrong"


def test_forms_say_who_fills_them_in(tmp_path):
    source = changed(FORMS, ("[forms.P]", '[forms.P]\nwho = "peers"'))
    canteen = read_instrument(write(tmp_path / "mine.toml", source))
    assert canteen.forms_of("peers") == ("P", "PS")
    assert canteen.forms_of("managers") == ()
    assert canteen.forms["C"].who is None


ACTION = '[actions.rest]\ntitle.en = "Breaks"\nsteps.en = ["Plan breaks.", "Keep them."]\n'
SIGNAL = '[signals.tired]\ntitle.en = "T"\nmeaning.en = "M"\nkind = "subscales"\nhigh = "trust"\nlow = ["rest"]\npoints = 10\n'


def test_actions_and_signals(tmp_path):
    small = read_instrument(write(tmp_path / "mine.toml", f"{SMALL}\n{ACTION}{SIGNAL}"))
    assert [step["en"] for step in small.actions["rest"].steps] == ["Plan breaks.", "Keep them."]
    signal = small.signals["tired"]
    assert (signal.kind, signal.high, signal.low, signal.points, signal.score) == (
        "subscales",
        "trust",
        ("rest",),
        10,
        None,
    )
    assert hash(small) == hash(read_instrument(tmp_path / "mine.toml"))
    assert read_instrument(DATA / "small.toml").actions == ()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[actions.rest]", "[actions.sleep]", "actions.sleep: 'sleep' is not a subscale"),
        (
            'steps.en = ["Plan breaks.", "Keep them."]',
            'steps.en = ["Plan breaks."]',
            "1 steps in 'en'; a family has 2 to 4",
        ),
        ('"Keep them."', '" "', "actions.rest.steps: an empty step in 'en'"),
        (
            'title.en = "Breaks"',
            'themes = ["S1"]\ntitle.en = "Breaks"',
            "actions.rest.themes: 'S1' is not a theme of rest",
        ),
        ('title.en = "Breaks"', "", "actions.rest: no text in 'en'"),
        ('steps.en = ["Plan breaks.", "Keep them."]', "", "actions.rest: no text in 'en'"),
        ('"Keep them."]', '"Keep them."]\nsteps.fr = ["A", "B", "C"]', "the languages have different numbers of steps"),
        ('meaning.en = "M"', "", "signals.tired: no text in 'en'"),
        ('high = "trust"\n', "", "a signal of kind 'subscales' has a high side"),
        ('high = "trust"\n', 'high = "trust"\nscore = "wellbeing"\n', "a signal of kind 'subscales' has no score"),
        ('low = ["rest"]', "low = []", "signals.tired.low: what must be low is not said"),
        (
            'low = ["rest"]',
            'low = ["sleep"]',
            "signals.tired: 'sleep' is not a subscale's score; use one of rest, trust",
        ),
        ('kind = "subscales"', 'kind = "forms"', "signals.tired.score: a signal of kind 'forms' has a score"),
        ("points = 10", "points = 0", "signals.tired.points: Input should be greater than 0"),
    ],
)
def test_a_contradiction_of_actions_and_signals(tmp_path, old, new, message):
    found = faults(write(tmp_path / "mine.toml", changed(f"{SMALL}\n{ACTION}{SIGNAL}", (old, new))))
    assert any(message in fault for fault in found), found


# Each contradiction, alone: where the fault is (a line of the file) and what it says

ITEM = '[items.rest1]\ntext.en = "I take my breaks."\nsubscale = "rest"'
WRONG_IDS = [
    (
        "[items.rest1]",
        f"[items.{name}]",
        f"[items.{name}]",
        f"items.{name}: {name!r} {said}",
    )
    for name, said in [
        ("Rest1", "breaks the naming rule"),
        ("rest_1", "breaks the naming rule"),
        ("1rest", "breaks the naming rule"),
        ("r", "breaks the naming rule"),
        ("abcdefghijklmnop", "breaks the naming rule"),
        ("with", "is a reserved word of SPSS"),
        ("person", "is a column of every file of answers"),
    ]
]
IN_SMALL = [
    *WRONG_IDS,
    ("[items.rest1]", "[items.SHIFT]", "[questions.shift]", "'shift' and 'SHIFT' are the same id but for case"),
    ('item_scale = "often"', 'item_scale = "rare"', 'item_scale = "rare"', "'rare' is not a response scale"),
    ('item_scale = "often"\n', "", "[items.rest1]", "items.rest1.scale: the item names no response scale"),
    ("codes = [0, 1, 2, 3]", "codes = [0, 2, 1, 3]", "codes = [0, 2, 1, 3]", "codes must rise"),
    ("code = 9,", "code = 3,", "codes = [0, 1, 2, 3]", "code 3 is used twice"),
    ('9 = "Can\'t say"', '8 = "Can\'t say"', "[response_scales.often]", "no text in 'en'"),
    ('1 = "Sometimes"', '1 = "never "', "[response_scales.often]", "two codes have the same label 'never'"),
    (
        '1 = "Sometimes"',
        '1 = "2"',
        "[response_scales.often]",
        "the label '2' of code 1 in 'en' would be read as code 2",
    ),
    (
        'subscale = "rest"',
        'subscale = "sleep"',
        'subscale = "sleep"',
        "'sleep' is not a subscale; use one of rest, trust",
    ),
    ('subscale = "rest"', 'subscale = "rest"\nfacet = "z"', 'facet = "z"', "'z' is not a facet of rest"),
    ('subscale = "rest"', 'subscale = "rest"\nscale = "x"', 'scale = "x"', "'x' is not a response scale"),
    (
        "reverse = true",
        'reverse = true\nwording = "facilitator"',
        "reverse = true",
        "reverse: a facilitator counts for",
    ),
    ("reverse = true", 'wording = "barrier"', "[items.rest2]", "reverse: a barrier counts against"),
    (ITEM, ITEM + '\nsources = [{ theme = "S9", phrase = "x" }]', "sources", "'S9' is not a theme"),
    (
        "[subscales.rest]",
        '[subscales.idle]\ntitle.en = "Idle"\n[subscales.rest]',
        "[subscales.idle]",
        "no item belongs to it",
    ),
    ('risk = "low"', 'risk = "low"\nscale = "x"', 'scale = "x"', "'x' is not a response scale"),
    ('risk = "low"', 'risk = "low"\nmultiple = true', "multiple = true", "needs a response scale"),
    ('risk = "low"', 'risk = "low"\nsubscale = "x"', 'subscale = "x"', "'x' is not a subscale"),
    ('role = "background"', 'role = "importance"', "[questions.shift]", "must say which subscale it is about"),
    ('risk = "low"', 'risk = "low"\nforms = ["P"]', 'forms = ["P"]', "'P' is not a form"),
    ('subscales = ["rest"]', 'subscales = ["sleep"]', 'subscales = ["sleep"]', "'sleep' does not exist"),
    ('subscales = ["rest"]', 'items = ["rest9"]', 'items = ["rest9"]', "'rest9' does not exist"),
    ('subscales = ["rest"]', 'facets = ["resta"]', 'facets = ["resta"]', "'resta' does not exist"),
    ("minimum = [2, 3]", "minimum = 6", "[scores.rest]", "asks 5 of its items, fewer than the minimum of 6"),
    ('of = ["rest", "trust"]', 'of = ["rest", "joy"]', 'of = ["rest", "joy"]', "score 'joy' does not exist"),
    ('of = ["rest", "trust"]', 'of = ["wellbeing"]', 'of = ["wellbeing"]', "score 'wellbeing' must stand above it"),
    ("minimum = 2", "minimum = 3", "minimum = 3", "needs 3 scores, but only 2 enter"),
    ('of = ["rest", "trust"]', "", "[scores.wellbeing]", "mean_of_scores needs the scores that enter"),
    ("[scores.wellbeing]", "[scores.rest1]", "[scores.rest1]", "'rest1' cannot name a score"),
    ("[scores.wellbeing]", "[scores.well_being]", "[scores.well_being]", "add a short `export` id"),
    (
        'kind = "total"',
        'kind = "total"\nexport = "rest"',
        "[scores.wellbeing]",
        "'rest' is also the export id of 'rest'",
    ),
    ('rule = "mean"', 'rule = "raw_mean"', "[scores.rest]", "raw_mean needs a wording"),
    ('rule = "mean"', 'rule = "balanced_mean"', "[scores.rest]", "'rest1' has none"),
    (
        "[scores.rest]",
        '[themes.T]\nsource = "s"\ntheme = "t"\n[scores.rest]',
        "[themes.T]",
        "no item, question or note",
    ),
    (
        "[scores.rest]",
        '[themes.T]\nsource = "s"\ntheme = "t"\nquestion = "q"\n[scores.rest]',
        'question = "q"',
        "'q' is not a question",
    ),
    ('construct.en = "How well', 'themes = ["T"]\nconstruct.en = "How well', 'themes = ["T"]', "'T' is not a theme"),
    ('title.en = "Rest"\n', "", "[subscales.rest]", "no text in 'en'"),
    ('banner.en = "', 'rule.en = "', "[instrument]", "instrument.banner: no text in 'en'"),
    ('languages = ["en"]', 'languages = ["en", "fr"]', "[items.rest1]", "items.rest1: no text in 'fr'"),
    # the shape of the file
    ('status = "draft"', 'status = "ready"', 'status = "ready"', "(found 'ready')"),
    ('version = "1.0.0"', "version = 1", "version = 1", "(found 1)"),
    ('version = "1.0.0"', "", "[instrument]", "instrument.version: is missing"),
    ("reverse = true", "reversed = true", "reversed = true", "reversed: is not a key of a definition"),
    ("codes = [0, 1, 2, 3]", "codes = [0, 1, 2, 1000]", "codes = [0, 1, 2, 1000]", "(found 1000)"),
]


@pytest.mark.parametrize(("old", "new", "line", "message"), IN_SMALL)
def test_a_contradiction(tmp_path, old, new, line, message):
    source = changed(SMALL, (old, new))
    found = faults(write(tmp_path / "mine.toml", source))
    fault = next((fault for fault in found if message in fault), None)
    assert fault is not None, found
    number = next(n for n, text in enumerate(source.splitlines(), start=1) if text.startswith(line) or text == line)
    assert fault.startswith(f"mine.toml:{number}: ")


IN_FORMS = [
    ('without = ["foodb"]', 'without = ["foodz"]', "forms.C.without: 'foodz' is not a facet"),
    ('short_of = "C"', 'short_of = "Z"', "forms.CS.short_of: 'Z' is not a form; use one of P, C, PS, CS"),
    ('short_of = "C"', 'short_of = "PS"', "forms.CS.short_of: 'PS' is a short form itself"),
    (
        'short_of = "C"',
        'short_of = "C"\nwithout = ["foodb"]',
        "forms.CS.without: a short form leaves out what its full",
    ),
    ("[forms.CS]", "[forms.pS]", "forms: two forms have the same id but for case"),
    (
        'without = ["foodb"]',
        'without = ["fooda", "foodb"]',
        "scores.food: form C asks 0 of its items, fewer than the minimum of 1",
    ),
    (
        'wording = "barrier"\nreverse = true\nshort = true',
        'wording = "barrier"\nreverse = true',
        "scores.total.short: form PS asks 1 of its barrier items and needs 2",
    ),
    ("[questions.impfood]", "[questions.meal1]", "questions.meal: its column 'meal1' is also the id"),
    (
        "common = true\nminimum = [2, 3]",
        "common = true\nminimum = 4",
        "scores.facilitator_index: form P asks 3 of its items, fewer than the minimum of 4",
    ),
    (
        'of = ["facilitator_index", "barrier_index"]\nhigher',
        'of = ["food", "barrier_index"]\nhigher',
        "acquiescence needs raw means; 'food' is a balanced_mean",
    ),
    (
        'of = ["facilitator_index", "barrier_index"]',
        'of = ["facilitator_index"]',
        "scores.balance.of: difference needs exactly two scores, found 1",
    ),
    (
        'subscale = "food"\nfacet = "a"',
        'subscale = "food"\nscale = "tenths"\nfacet = "a"',
        "different response scales (agree, tenths)",
    ),
]


@pytest.mark.parametrize(("old", "new", "message"), IN_FORMS)
def test_a_contradiction_of_forms_and_wordings(tmp_path, old, new, message):
    changes = [(old, new)]
    if "needs 2" in message:
        changes.append(
            ("of = []\nminimum = 3\nminimum_each_wording = 1", "of = []\nminimum = 3\nminimum_each_wording = 2")
        )
    found = faults(write(tmp_path / "mine.toml", changed(FORMS, *changes)))
    assert any(message in fault for fault in found), found
    assert all(fault.split(":")[0] == "mine.toml" and fault.split(":")[1].isdigit() for fault in found)


def test_all_contradictions_are_named_at_once(tmp_path):
    source = changed(
        SMALL,
        ("[items.rest1]", "[items.rest_1]"),
        ('subscale = "trust"', 'subscale = "faith"'),
        ('of = ["rest", "trust"]', 'of = ["rest", "joy"]'),
    )
    found = faults(write(tmp_path / "mine.toml", source))
    assert [fault.split(": ")[0] for fault in found] == [
        f"mine.toml:{line_of(source, text)}"
        for text in ("[items.rest_1]", 'subscale = "faith"', 'of = ["rest", "joy"]')
    ]
    assert [fault.split(": ")[1] for fault in found] == ["items.rest_1", "items.trust1.subscale", "scores.wellbeing.of"]


# Files and folders


def folder(path, *, spanish=None, english=None):
    """The small questionnaire as a folder with two languages."""
    path.mkdir()
    lines = [
        line
        for line in SMALL.splitlines()
        if not line.startswith(("text.", "title.", "banner.", "construct.", "labels."))
    ]
    write(path / f"{path.name}.toml", "\n".join(lines).replace('languages = ["en"]', 'languages = ["en", "es"]'))
    tables = tomllib.loads(SMALL)
    for language in ("en", "es"):
        out = [f'[instrument]\ntitle = "Title {language}"\nbanner = "Banner {language}"', "[response_scales.often]"]
        out += [
            f'{code} = "{label} {language}"'
            for code, label in tables["response_scales"]["often"]["labels"]["en"].items()
        ]
        out += [f'[subscales.{name}]\ntitle = "{name} {language}"\nconstruct = "x"' for name in tables["subscales"]]
        out += ["[items]"] + [f'{name} = "{name} {language}"' for name in tables["items"]]
        out += [f'[questions.shift]\ntext = "shift {language}"', "[scores]"]
        out += [f'{name} = "{name} {language}"' for name in tables["scores"]]
        write(path / f"text.{language}.toml", "\n".join(out))
    return path


def test_a_folder_with_a_text_file_for_each_language(tmp_path):
    instrument = read_instrument(folder(tmp_path / "wellteam"))
    assert instrument.languages == ("en", "es")
    assert dict(instrument.items["rest1"].text) == {"en": "rest1 en", "es": "rest1 es"}
    assert dict(instrument.response_scales["often"].labels[9]) == {"en": "Can't say en", "es": "Can't say es"}
    assert dict(instrument.scores["wellbeing"].title) == {"en": "wellbeing en", "es": "wellbeing es"}
    assert instrument.title["es"] == "Title es"
    before = instrument.digest
    text = tmp_path / "wellteam" / "text.es.toml"
    write(text, text.read_text(encoding="utf-8").replace("rest1 es", "otra"))
    assert read_instrument(tmp_path / "wellteam").digest != before


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ('rest2 = "rest2 es"\n', "", "[items]", "items.rest2: no text in 'es'"),
        ('rest2 = "rest2 es"', 'rest2 = ""', 'rest2 = ""', "items.rest2: no text in 'es'"),
        ('2 = "Often es"\n', "", "[response_scales.often]", "response_scales.often.2: no text in 'es'"),
        (
            "[items]",
            '[items]\nrest99 = "x"',
            'rest99 = "x"',
            "items.rest99: a text for something that the definition does",
        ),
        ('rest2 = "rest2 es"', "rest2 = 3", "rest2 = 3", "items.rest2: must be a text or a table of texts (found 3)"),
        (
            "[questions.shift]",
            '[questions.shift]\nrole = "open"',
            'role = "open"',
            "questions.shift.role: is not a text",
        ),
        ("[instrument]", "forms = 3\n[instrument]", "forms = 3", "forms: must be a table of texts"),
    ],
)
def test_what_is_wrong_in_a_text_file_is_found_there(tmp_path, old, new, line, message):
    path = folder(tmp_path / "wellteam")
    text = path / "text.es.toml"
    source = changed(text.read_text(encoding="utf-8"), (old, new))
    write(text, source)
    found = faults(path)
    place = f"text.es.toml:{line_of(source, line)}: "
    assert any(fault.startswith(place) and message in fault for fault in found), found


def test_files_that_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: no such file or folder"):
        read_instrument("nowhere")
    (tmp_path / "latin.toml").write_bytes("title = 'é'".encode("latin-1"))
    assert faults(tmp_path / "latin.toml") == ("latin.toml:1: byte 9 is not UTF-8; save the file as UTF-8",)
    (found,) = faults(write(tmp_path / "broken.toml", "[instrument\nid = 3"))
    assert found.startswith("broken.toml: this is not TOML: ")
    (tmp_path / "empty").mkdir()
    assert "found 0 candidates" in faults(tmp_path / "empty")[0]
    assert any("instrument: is missing" in fault for fault in faults(write(tmp_path / "a.toml", "")))


# The schema for editors


@pytest.mark.parametrize("name", ["small.toml", "forms.toml"])
def test_the_schema_accepts_what_is_read(name):
    schema = definition_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(json.loads(json.dumps(tomllib.loads((DATA / name).read_text(encoding="utf-8")))), schema)


@pytest.mark.parametrize(
    "change",
    [
        lambda tables: tables["items"]["rest1"].pop("subscale"),
        lambda tables: tables["items"]["rest2"].update(reversed=True),
        lambda tables: tables["instrument"].update(status="ready"),
        lambda tables: tables["response_scales"]["often"].update(codes=[0]),
        lambda tables: tables["scores"]["rest"].update(rule="median"),
    ],
)
def test_the_schema_refuses_another_shape(change):
    tables = tomllib.loads(SMALL)
    change(tables)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tables, definition_schema())


def test_a_folder_that_is_called_like_a_shipped_questionnaire_does_not_take_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pwiq").mkdir()
    assert read_instrument("pwiq").id == "pwiq"
    assert lasting("pwiq") == "pwiq"
    for own in ("./pwiq", Path("pwiq")):
        with pytest.raises(InstrumentError, match="a folder holds one file"):
            read_instrument(own)
        assert lasting(own) == str(tmp_path / "pwiq")
