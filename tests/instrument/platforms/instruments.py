"""The questionnaires that platforms are tried with: ours, one in two languages, one without forms, one with hostile texts."""

from pathlib import Path

from instrument.definition import read_instrument

PWIQ = read_instrument("pwiq")
DATA = Path(__file__).parents[2] / "data"
CANTEEN = read_instrument(DATA / "forms.toml")
SMALL = read_instrument(DATA / "small.toml")
HOSTILE = read_instrument(DATA / "hostile.toml")
# Those that simulated exports are made of.
INSTRUMENTS = (PWIQ, CANTEEN)

# Every form in every language of its definition.
CASES = [(each, form, language) for each in INSTRUMENTS for form in each.forms.ids for language in each.languages]
IDS = [f"{each.id}-{form}-{language}" for each, form, language in CASES]
