"""Two small waves of the shipped population, for tests of change."""

from __future__ import annotations

from pathlib import Path

from instrument.simulate import Careless, read_population, simulate

POPULATION = read_population(Path(__file__).parents[2] / "sample_data" / "population.toml")


def smaller(population, **design):
    """Return the shipped population with fewer people, without careless ones and side questions."""
    size = {"people_first": 200, "people_second": 160, "people_both": 110, "organisations": 16, "teams": 32}
    return population.model_copy(
        update={
            "design": population.design.model_copy(update=size | design),
            # A careless answer holds no effect: 6 % of them dilute every effect by 6 %.
            "careless": Careless(straight_line=0, random=0, middle=0),
            "ratings": None,
            "background": {},
            "open_texts": None,
        }
    )


def answers_of(instrument):
    size = {"people_first": 130, "people_second": 110, "people_both": 80, "organisations": 8, "teams": 16}
    return tuple(simulate(smaller(POPULATION, **size), seed=3, instrument=instrument).values())
