"""Ratings of a panel that were checked against the definition."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from instrument.definition import Instrument

WHOLE = "whole"  # the row of the whole questionnaire on the sheet of coverage
FEWEST_SHOWN = 5  # experts who rated, before the group's answer is shown to the panel


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PanelRatings:
    """What the experts of one round gave; made by `read_rating_forms`.

    Parameters
    ----------
    instrument : Instrument
    round : int
    experts : pandas.DataFrame
        Index ``expert`` (the code); ``perspective`` (empty where not said) and ``lived`` (boolean, missing where not said).
    relevance, clarity : pandas.DataFrame
        Expert × item, ``Int64`` 1–4, missing where not rated.
    coverage : pandas.DataFrame
        Expert × subscale, and ``whole``; the same.
    frame : pandas.DataFrame
        Expert × text that everyone reads (``instructions``, ``rule``, ``answers SCALE``): its clarity, the same.
    comments : pandas.DataFrame
        ``item`` and ``comment``, without the expert and in an order that does not follow the files.
    suggestions : pandas.DataFrame
        ``part`` (a subscale, ``whole``, or a text of the frame) and ``suggestion``; the same.
    changed : tuple of str
        Items whose text in the files of another version is not that of the definition; those ratings are left out.
    notes : tuple of str
    """

    instrument: Instrument
    round: int
    experts: pd.DataFrame
    relevance: pd.DataFrame
    clarity: pd.DataFrame
    coverage: pd.DataFrame
    frame: pd.DataFrame
    comments: pd.DataFrame
    suggestions: pd.DataFrame
    changed: tuple[str, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return (
            f"PanelRatings of {self.instrument.id} {self.instrument.version}, round {self.round}: "
            f"{len(self.experts)} experts, {self.relevance.shape[1]} items"
        )

    def aspect(self, name: str) -> pd.DataFrame:
        """Return expert × item of "relevance" or "clarity"."""
        return {"relevance": self.relevance, "clarity": self.clarity}[name]
