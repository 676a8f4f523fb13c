"""The questionnaires that simulated exports are made of: ours, and a small one in two languages."""

from pathlib import Path

from instrument.definition import read_instrument

PWIQ = read_instrument("pwiq")
CANTEEN = read_instrument(Path(__file__).parents[2] / "data" / "forms.toml")
INSTRUMENTS = (PWIQ, CANTEEN)

# Every form in every language of its definition.
CASES = [(each, form, language) for each in INSTRUMENTS for form in each.forms.ids for language in each.languages]
IDS = [f"{each.id}-{form}-{language}" for each, form, language in CASES]
