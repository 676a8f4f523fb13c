"""Writes the sample data: simulated answers as canonical CSV files, with the truth kept apart from them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from instrument.definition import Instrument, read_instrument
from instrument.files import write_whole
from instrument.responses import Responses, canonical_table
from instrument.simulate import Population, read_population, simulate, without_effect

# The columns that only the simulation knows; they go to truth.csv, which no analysis reads.
_TRUTH = ["person", "careless"]


def write_sample_data(
    population: Path, out: Path, *, seed: int, force: bool = False, instrument: str | Path | None = None
) -> list[Path]:
    """Write baseline, follow-up, their truth, and a null set in which nothing changed.

    Parameters
    ----------
    population : path
        The population's TOML file.
    out : path
        Folder to write to; made if missing.
    seed : int
        Of the main set; the null set takes ``seed + 1``, so that it is another sample.
    force : bool
        Overwrite files that exist.
    instrument : str or path, optional
        The questionnaire's definition. Default: the one that the population names.

    Returns
    -------
    list of path
        What was written. The same population and seed give the same bytes.

    Raises
    ------
    FileExistsError
        If a file exists and ``force`` is false; nothing is written then.
    """
    stated = read_population(population)
    files = _texts(stated, read_instrument(instrument or stated.instrument), seed, population.name)
    paths = {out / name: text for name, text in files.items()}
    existing = sorted(str(path) for path in paths if path.exists())
    if existing and not force:
        raise FileExistsError(f"{', '.join(existing)} exist; choose another folder or add --force")
    out.mkdir(parents=True, exist_ok=True)
    for path, text in paths.items():
        write_whole(path, text)
    return list(paths)


def _texts(population: Population, instrument: Instrument, seed: int, source: str) -> dict[str, str]:
    files: dict[str, str] = {}
    for prefix, stated, its_seed in (("", population, seed), ("null_", without_effect(population), seed + 1)):
        waves = simulate(stated, seed=its_seed, instrument=instrument)
        rng = np.random.default_rng([its_seed, 1])  # not the one that draws the answers
        numbered = {name: _numbered(responses, rng) for name, responses in waves.items()}
        for name, table in numbered.items():
            files[f"{prefix}{name}.csv"] = _csv(table.drop(columns=["true_person", "careless"]))
            about = {
                "simulated": "These answers were drawn by a computer. Nobody gave them, and they are no evidence of anything.",
                "questionnaire": f"{instrument.id} {instrument.version}",
                "population": source if not prefix else f"{source}, without the programme's effect",
                "seed": its_seed,
                "responses": len(table),
            }
            files[f"{prefix}{name}.about.json"] = json.dumps(about, indent=2) + "\n"
        if not prefix:
            files["truth.csv"] = _csv(_truth(numbered))
    return files


def _numbered(responses: Responses, rng: np.random.Generator) -> pd.DataFrame:
    """Put the answers in the order in which they came in, and number them as a platform does: nothing links."""
    table = canonical_table(responses)
    table = table.iloc[rng.permutation(len(table))].reset_index(drop=True)
    table.insert(1, "true_person", table["person"])
    table["person"] = range(1, len(table) + 1)
    return table


def _truth(numbered: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return one row a true person: their number in each file, and which of their answers were careless."""
    parts = [
        table.set_index("true_person")[_TRUTH].rename(columns={c: f"{name}_{c}" for c in _TRUTH})
        for name, table in numbered.items()
    ]
    truth = pd.concat(parts, axis=1).sort_index().rename_axis("true_person").reset_index()
    people = [f"{name}_person" for name in numbered]
    return truth.astype(dict.fromkeys(people, "Int64"))


def _csv(table: pd.DataFrame) -> str:
    return str(table.to_csv(index=False, lineterminator="\n"))
