"""What a panel found, for its organiser: what needs a talk first, and never which expert rated what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from instrument.content_indices import CRITERION, FEWEST_EXPERTS, meets_criterion
from instrument.delphi import AGAIN, AGREED, ENDED, STABLE, DelphiRound, DelphiRule, judge_round
from instrument.panel.decisions import Evidence, decision_entry
from instrument.panel.ratings import PanelRatings
from instrument.panel.words import ASPECTS
from instrument.validity import ContentValidity, Perspectives, compare_perspectives, content_validity, scale_indices

_UNLINKED = (
    "Comments stand without their writer and in another order than the forms. Who knows the experts may still recognise a "
    "voice: show them to the panel only if the experts agreed. Where all agree, or none, a share says what each one rated."
)
_COVERAGE = (
    "Coverage (comprehensiveness, which COSMIN asks for beside relevance and clarity: Terwee et al., 2018): share of the "
    "experts who rated 3 or 4 of 4, with Clopper and Pearson's exact interval."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class PanelReport:
    """What a round of a panel found; made by `panel_report`.

    Parameters
    ----------
    ratings : PanelRatings
    talk : pandas.DataFrame
        Index ``item``, what needs a talk first: ``part``, ``text``, ``why`` (empty: no reason to talk), ``relevance``,
        ``relevance_n``, ``clarity``, ``clarity_n``, ``relevance_difference`` and ``clarity_difference`` (lived experience minus
        others; missing where not shown), ``comments`` (how many), ``verdict`` (empty without a rule).
    final : pandas.DataFrame
        Index ``item``, every item as it was last rated: ``part``, ``round``, ``relevance``, ``relevance_n``, ``clarity``,
        ``clarity_n``, ``meets`` (both reach .78), ``verdict``.
    whole : mapping
        "relevance" and "clarity" → the indices of the whole over `final`, as a row of `ContentValidity.scales`.
    validity : mapping
        "relevance" and "clarity" → ContentValidity.
    coverage : pandas.DataFrame
        Index ``part`` (subscales, ``whole``): ``raters``, ``missing``, ``agreeing``, ``share``, ``low``, ``high``, ``median``.
    frame : pandas.DataFrame
        The same of the clarity of what everyone reads: introduction, rule, answers.
    perspectives : mapping
        "relevance" and "clarity" → Perspectives.
    delphi : mapping
        The same → DelphiRound; empty without a rule.
    again : tuple of str
        Items for the next round: those that either aspect leaves open.
    comments, suggestions : pandas.DataFrame
        Unlinked.
    notes, method : tuple of str
    """

    ratings: PanelRatings
    talk: pd.DataFrame
    final: pd.DataFrame
    whole: Mapping[str, Mapping[str, float]]
    validity: Mapping[str, ContentValidity]
    coverage: pd.DataFrame
    frame: pd.DataFrame
    perspectives: Mapping[str, Perspectives]
    delphi: Mapping[str, DelphiRound]
    again: tuple[str, ...]
    comments: pd.DataFrame
    suggestions: pd.DataFrame
    notes: tuple[str, ...]
    method: tuple[str, ...]


def panel_report(
    ratings: PanelRatings,
    *,
    rule: DelphiRule | None = None,
    earlier: PanelRatings | Sequence[PanelRatings] | None = None,
    confidence: float = 0.95,
) -> PanelReport:
    """Compute what a round of a panel found.

    Parameters
    ----------
    ratings : PanelRatings
    rule : DelphiRule, optional
        The rule that was stated before the first round; without it no item is settled or asked again.
    earlier : PanelRatings or sequence of PanelRatings, optional
        The round before, or all of them: the last is compared, and every item is shown as it was last rated.
    confidence : float

    Returns
    -------
    PanelReport

    Raises
    ------
    ValueError
        If fewer than three experts rated: every share would say what each of them gave. Or if `earlier` is given without
        a rule, or is not of an earlier round.
    """
    count = len(ratings.experts)
    if count < FEWEST_EXPERTS:
        raise ValueError(
            f"{count} expert{'s' * (count != 1)} rated: a panel has at least {FEWEST_EXPERTS} (Lynn, 1986), and fewer would be "
            "seen through; wait for more forms"
        )
    before = (earlier,) if isinstance(earlier, PanelRatings) else tuple(earlier or ())
    rounds = sorted((*before, ratings), key=lambda each: each.round)
    numbers = [each.round for each in rounds]
    if before and (rule is None or len(set(numbers)) < len(numbers) or rounds[-1] is not ratings):
        told = ", ".join(f"round {each.round}" for each in before)
        raise ValueError(
            f"rounds are compared by a rule that was stated before (DelphiRule), the earlier one first; got "
            f"{'no rule' if rule is None else f'{told} before round {ratings.round}'}"
        )
    subscales = ratings.instrument.subscale_items(tuple(ratings.relevance.columns))
    subscales = {name: members for name, members in subscales.items() if members}
    validity = {
        aspect: content_validity(ratings.aspect(aspect), subscales=subscales, confidence=confidence)
        for aspect in ASPECTS
    }
    perspectives = {
        aspect: compare_perspectives(ratings.aspect(aspect), ratings.experts["lived"], confidence=confidence)
        for aspect in ASPECTS
    }
    last = rounds[-2] if before else None
    delphi = {} if rule is None else {aspect: _round(aspect, ratings, rule, last) for aspect in ASPECTS}
    open_items = {name for each in delphi.values() for name in each.again}
    again = tuple(name for name in ratings.relevance.columns if name in open_items)
    final, whole = _final(rounds, rule, confidence)
    notes = (*ratings.notes, *_round_notes(ratings, before), *_notes(validity, perspectives, delphi), _UNLINKED)
    first = validity["relevance"]
    methods = (*first.method, perspectives["relevance"].method, _COVERAGE, *(each.method for each in delphi.values()))
    return PanelReport(
        ratings=ratings,
        talk=_talk(ratings, validity, perspectives, delphi, FEWEST_EXPERTS if rule is None else rule.fewest),
        final=final,
        whole=whole,
        validity=validity,
        coverage=_shares(ratings.coverage, confidence),
        frame=_shares(ratings.frame, confidence),
        perspectives=perspectives,
        delphi=delphi,
        again=again,
        comments=ratings.comments,
        suggestions=ratings.suggestions,
        notes=notes,
        method=tuple(dict.fromkeys(methods)),
    )


def _round(aspect: str, ratings: PanelRatings, rule: DelphiRule, earlier: PanelRatings | None) -> DelphiRound:
    before = None if earlier is None else earlier.aspect(aspect)
    revised = () if earlier is None else earlier.changed
    return judge_round(ratings.aspect(aspect), rule=rule, number=ratings.round, earlier=before, revised=revised)


def _notes(
    validity: Mapping[str, ContentValidity], perspectives: Mapping[str, Perspectives], delphi: Mapping[str, DelphiRound]
) -> list[str]:
    """Return every note once, with its aspect where only one of them has it."""
    found: dict[str, list[str]] = {}
    for results in (validity, perspectives, delphi):
        for aspect, each in results.items():
            for note in each.notes:
                found.setdefault(note, []).append(aspect)
    return [note if len(of) > 1 else f"{of[0].capitalize()}: {note}" for note, of in found.items()]


def _final(
    rounds: Sequence[PanelRatings], rule: DelphiRule | None, confidence: float
) -> tuple[pd.DataFrame, dict[str, dict[str, float]]]:
    """Return every item as it was last rated, and the indices of the whole over these; the last round stands last."""
    instrument, language = rounds[-1].instrument, rounds[-1].instrument.languages[0]
    latest: dict[str, tuple[int, dict[str, pd.Series], str]] = {}
    for place, each in enumerate(rounds):
        found = {aspect: content_validity(each.aspect(aspect), confidence=confidence).items for aspect in ASPECTS}
        before = rounds[place - 1] if place else None
        judged = {} if rule is None else {aspect: _round(aspect, each, rule, before).items for aspect in ASPECTS}
        for name in each.relevance.columns:
            rows = {aspect: items.loc[name] for aspect, items in found.items()}
            if name not in latest or any(row["raters"] for row in rows.values()):
                verdict = _verdict([items.loc[name, "verdict"] for items in judged.values()])
                latest[name] = each.round, rows, verdict
    rows = {
        name: {
            "part": instrument.subscales[instrument.items[name].subscale].title[language],
            "round": latest[name][0],
            **{key: value for aspect in ASPECTS for key, value in _short(aspect, latest[name][1][aspect]).items()},
            "meets": all(bool(row["meets"]) for row in latest[name][1].values()),
            "verdict": latest[name][2],
        }
        for name in instrument.items.ids
        if name in latest
    }
    over = {aspect: pd.DataFrame([latest[name][1][aspect] for name in rows]) for aspect in ASPECTS}
    whole = {aspect: scale_indices(items.infer_objects(), confidence) for aspect, items in over.items()}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("item"), whole


def _short(aspect: str, row: pd.Series) -> dict[str, object]:
    return {aspect: row["icvi"], f"{aspect}_n": row["raters"]}


def _round_notes(ratings: PanelRatings, before: Sequence[PanelRatings]) -> list[str]:
    if ratings.round == 1 or before:
        return []
    return [
        f"These are the items asked in round {ratings.round} only: give the forms of all rounds before (--earlier) to compare "
        "the rounds and to see every item as it was last rated."
    ]


def _shares(ratings: pd.DataFrame, confidence: float) -> pd.DataFrame:
    items = content_validity(ratings, confidence=confidence).items.rename_axis("part")
    names = {"icvi": "share", "icvi_low": "low", "icvi_high": "high"}
    return items.rename(columns=names)[["raters", "missing", "agreeing", "share", "low", "high", "median"]]


def _talk(
    ratings: PanelRatings,
    validity: Mapping[str, ContentValidity],
    perspectives: Mapping[str, Perspectives],
    delphi: Mapping[str, DelphiRound],
    fewest: int,
) -> pd.DataFrame:
    instrument, language = ratings.instrument, ratings.instrument.languages[0]
    relevance, clarity = validity["relevance"].items, validity["clarity"].items
    told = ratings.comments["item"].value_counts()
    apart = {aspect: each.items["decide_differently"] for aspect, each in perspectives.items()}
    rows, order = [], []
    for place, name in enumerate(relevance.index):
        differ = [aspect for aspect in ASPECTS if bool(apart[aspect].get(name, False))]
        below = [aspect for aspect in ASPECTS if _below(aspect, validity[aspect].items.loc[name], fewest)]
        comments = int(told.get(name, 0))
        why = [f"lived experience and others would decide differently ({', '.join(differ)})"] if differ else []
        why += [_below(aspect, validity[aspect].items.loc[name], fewest) for aspect in below]
        why += [f"{comments} comment{'s' * (comments != 1)}"] if comments else []
        item = instrument.items[name]
        rows.append(
            {
                "part": instrument.subscales[item.subscale].title[language],
                "text": item.text[language],
                "why": "; ".join(why),
                "relevance": relevance.loc[name, "icvi"],
                "relevance_n": relevance.loc[name, "raters"],
                "clarity": clarity.loc[name, "icvi"],
                "clarity_n": clarity.loc[name, "raters"],
                **{
                    f"{aspect}_difference": perspectives[aspect].items["difference"].get(name, float("nan"))
                    for aspect in ASPECTS
                },
                "comments": comments,
                "verdict": _verdict([each.items.loc[name, "verdict"] for each in delphi.values()]),
            }
        )
        shares = [float(relevance.loc[name, "icvi"]), float(clarity.loc[name, "icvi"])]
        shares = [-1.0 if share != share else share for share in shares]  # NaN, nobody rated: first
        apart_by = max((abs(float(rows[-1][f"{aspect}_difference"])) for aspect in differ), default=0.0)
        order.append(
            (not differ, -apart_by, "relevance" not in below, "clarity" not in below, comments == 0, *shares, place)
        )
    frame = pd.DataFrame(rows, index=relevance.index)
    return frame.iloc[sorted(range(len(rows)), key=lambda row: order[row])]


def _below(aspect: str, row: pd.Series, fewest: int) -> str:
    """Return why an aspect of an item needs a talk, or nothing."""
    if not row["raters"]:
        return f"nobody rated its {aspect}"
    few = f"{aspect} rated by {row['raters']} only; {fewest} are needed to judge" if row["raters"] < fewest else ""
    if meets_criterion(row["agreeing"], row["raters"]):
        return few
    low = f"{aspect} {row['agreeing']} of {row['raters']}, below {f'{CRITERION:.2f}'[1:]}"
    return f"{low} ({few})" if few else low


def _verdict(verdicts: list[str]) -> str:
    """Return one verdict of an item from those of its aspects: it is settled when both are."""
    return next((each for each in (AGAIN, STABLE, ENDED, AGREED) if each in verdicts), "")


def decisions_template(report: PanelReport) -> str:
    """Return a log of decisions to be filled in, as TOML: one entry an item, what needs a talk first.

    Parameters
    ----------
    report : PanelReport

    Returns
    -------
    str
        With the evidence of the round; ``decision`` and ``reason`` are empty: such entries are open, and `read_decisions`
        passes them over.
    """
    ratings = report.ratings
    entries = [f"instrument = {_quoted(ratings.instrument.id)}"]
    for name, row in report.talk.iterrows():
        evidence = None
        if row["relevance_n"] and row["clarity_n"]:
            evidence = Evidence(
                relevance=round(float(row["relevance"]), 4),
                relevance_n=int(row["relevance_n"]),
                clarity=round(float(row["clarity"]), 4),
                clarity_n=int(row["clarity_n"]),
            )
        hint = f"{row['text']} Why: {row['why'] or 'nothing was held against it'}."
        entries.append(decision_entry(str(name), ratings.instrument.version, ratings.round, evidence, hint))
    return "\n\n".join(entries) + "\n"


def _quoted(text: str) -> str:
    return f'"{text}"'  # an id: letters, digits, - and _
