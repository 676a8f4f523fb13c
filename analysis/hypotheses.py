"""Hypotheses stated before the data were seen, about correlations and about known groups, and how many are met."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import isfinite
from numbers import Real
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd

from analysis.alignment import same_responses
from analysis.correlations import Correlation, correlate
from analysis.groups import GroupComparison, compare_groups
from analysis.missing import numeric_answers
from analysis.result import Result
from analysis.sentences import correlation_words

Expected = Literal["at_least", "at_most", "between"]
Stated = TypeVar("Stated", "Hypothesis", "GroupHypothesis")

MET, NOT_MET, TOO_CLOSE, NOT_ASSESSED = "met", "not met", "too close to call", "not assessed"
CRITERION = "at least 75 % of the hypotheses met (Terwee et al., 2007)"

_SHARE = 75.0
_CORRELATIONS = {"pearson": "Pearson", "spearman": "Spearman rank"}


def _is_number(given: object) -> bool:
    return isinstance(given, Real) and not isinstance(given, bool) and isfinite(given)


@dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """An expectation about a correlation, stated before the data were seen.

    Parameters
    ----------
    name : str
        What is expected, in words; unique.
    first, second : str
        The two columns.
    expected : {"at_least", "at_most", "between"}
        Of the correlation, with its sign: ``at_most`` −.50 expects −.50 or stronger in that direction.
    threshold : float or tuple of float
        The bound; lower and upper bound for ``between``.
    source : str
        Whose expectation, and why.
    family : str
        Hypotheses of one family count as one in the share that is met: met if all are.

    Examples
    --------
    >>> Hypothesis(name="role clarity, role ambiguity", first="role", second="role_ambiguity",
    ...            expected="at_most", threshold=-0.5, source="design").bounds
    (-1.0, -0.5)
    """

    name: str
    first: str
    second: str
    expected: Expected
    threshold: float | tuple[float, float]
    source: str
    family: str = ""

    def __post_init__(self) -> None:
        if self.expected not in ("at_least", "at_most", "between"):
            raise ValueError(f"{self.name}: expected must be 'at_least', 'at_most' or 'between', got {self.expected!r}")
        pair = isinstance(self.threshold, tuple)
        if pair != (self.expected == "between") or (isinstance(self.threshold, tuple) and len(self.threshold) != 2):
            raise ValueError(
                f"{self.name}: 'between' takes two thresholds, (low, high), and the others one; got {self.threshold!r}"
            )
        if not all(_is_number(each) for each in self.bounds):
            raise ValueError(f"{self.name}: thresholds must be numbers between −1 and 1, got {self.threshold!r}")
        low, high = self.bounds
        if not -1 <= low < high <= 1:
            raise ValueError(f"{self.name}: thresholds must lie between −1 and 1, in order; got {self.threshold!r}")

    @property
    def bounds(self) -> tuple[float, float]:
        """Lowest and highest correlation that is expected."""
        if isinstance(self.threshold, tuple):
            return self.threshold
        return (self.threshold, 1.0) if self.expected == "at_least" else (-1.0, self.threshold)

    @property
    def words(self) -> str:
        """The expectation as it stands in a table."""
        low, high = self.bounds
        if self.expected == "between":
            return f"{correlation_words(low)} ≤ r ≤ {correlation_words(high)}"
        return f"r ≥ {correlation_words(low)}" if self.expected == "at_least" else f"r ≤ {correlation_words(high)}"


@dataclass(frozen=True, kw_only=True)
class GroupHypothesis:
    """An expectation about the difference of two groups, stated before the data were seen.

    Parameters
    ----------
    name : str
        What is expected, in words; unique.
    score : str
        The column.
    higher, lower : str
        The group that is expected to score higher, and the other.
    source : str
        Whose expectation, and why.
    at_least : float
        Smallest effect size that is expected; 0 expects the direction alone.
    """

    name: str
    score: str
    higher: Any
    lower: Any
    source: str
    at_least: float = 0.0

    def __post_init__(self) -> None:
        if not _is_number(self.at_least):
            raise ValueError(
                f"{self.name}: at_least must be an effect size, a number of 0 or more; got {self.at_least!r}"
            )
        if self.at_least < 0:
            raise ValueError(f"{self.name}: at_least must be 0 or more, got {self.at_least}: swap higher and lower")
        if self.higher == self.lower:
            raise ValueError(f"{self.name}: higher and lower must be two groups, got {self.higher!r} for both")


_SUBSCALES = ("role", "indu", "educ", "path", "supv", "reso", "devp", "lead", "voic", "cult", "prac")
_DESIGN = "PWIQ blueprint, set by its authors before data"
_OTHER_SCORES: tuple[tuple[str, str, Expected, float], ...] = (
    ("role", "role_ambiguity", "at_most", -0.50),
    ("cult", "psychological_safety", "at_least", 0.50),
    ("voic", "psychological_safety", "at_least", 0.50),
    ("lead", "oric", "at_least", 0.40),
    ("educ", "oric", "at_least", 0.40),
    ("prac", "fidelity", "at_least", 0.40),
)

#: What was expected of the draft PWIQ before data: role ambiguity, psychological safety, readiness for change
#: (ORIC) and fidelity of peer support are scores of other questionnaires, under these column names.
PWIQ_HYPOTHESES: tuple[Hypothesis, ...] = (
    *(
        Hypothesis(
            name=f"{first} with {second.replace('_', ' ')}",
            first=first,
            second=second,
            expected=expected,
            threshold=threshold,
            source=_DESIGN,
        )
        for first, second, expected, threshold in _OTHER_SCORES
    ),
    *(
        Hypothesis(
            name=f"{first} is not {second}",
            first=first,
            second=second,
            expected="at_most",
            threshold=0.85,
            source=_DESIGN,
            family="subscales are distinct",
        )
        for first, second in combinations(_SUBSCALES, 2)
    ),
)

#: Teams whose peer workers are supervised by someone with lived experience are expected to score higher on supervision.
PWIQ_GROUP_HYPOTHESES: tuple[GroupHypothesis, ...] = (
    GroupHypothesis(
        name="supv higher with a lived-experience supervisor",
        score="supv",
        higher="lived experience",
        lower="other",
        source=_DESIGN,
    ),
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class HypothesisTests(Result):
    """Pre-stated hypotheses and what the data say: a row each in ``table``.

    Parameters
    ----------
    share : pandas.DataFrame
        Index ``rule`` (``by_estimate``, ``by_interval``): how many hypotheses are ``met``, ``not_met``,
        ``too_close`` and ``not_assessed``, families counting once; ``n`` assessed and ``percent`` of them met.
    """

    share: pd.DataFrame


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class KnownGroups(HypothesisTests):
    """Hypotheses about groups.

    Parameters
    ----------
    comparison : GroupComparison
        The whole comparison that the rows come from.
    """

    comparison: GroupComparison


def hypothesis_tests(
    scores: pd.DataFrame,
    hypotheses: Sequence[Hypothesis],
    *,
    reliabilities: Mapping[str, float] | pd.Series | None = None,
    correlation: Correlation = "pearson",
    clusters: pd.Series | None = None,
) -> HypothesisTests:
    """Test hypotheses about correlations that were stated before the data were seen.

    Parameters
    ----------
    scores : pandas.DataFrame
        Response × score, in any unit; gaps are allowed, and each hypothesis uses who has both scores.
    hypotheses : sequence of Hypothesis
        All that were stated, also those that these data cannot test: they keep their row as "not assessed".
    reliabilities : mapping or pandas.Series, optional
        Score → reliability in the same sort of people, above 0 up to 1: adds the disattenuated correlation.
    correlation : {"pearson", "spearman"}
        Of the values, or of their ranks.
    clusters : pandas.Series, optional
        The team of each response, same index. People of one team are alike; with it intervals allow for that.

    Returns
    -------
    HypothesisTests
        ``table`` has the index ``hypothesis``: first, second, expected, estimate (r), ci_low, ci_high, n,
        ``disattenuated`` with its interval where reliabilities are given, ``by_estimate`` and ``by_interval``
        ("met", "not met", "too close to call" or "not assessed"), source.

    Raises
    ------
    ValueError
        For no hypotheses, one that is not in a list, or two of one name, scores that are text, none that can be
        assessed, unknown options, a reliability out of range or of an unknown score, indexes that differ, or fewer
        than 5 clusters.

    Notes
    -----
    Two rules stand side by side. By the estimate (COSMIN; Terwee et al., 2007) a hypothesis is met if r lies where
    it was expected; by the interval it is met only if the whole interval lies there, and not met if none of it
    does. The share of 75 % is judged of all stated hypotheses: it is open as long as those not assessed could decide it.

    Intervals by Fisher's (1921) z, with variance 1 / (n − 3), for ranks (1 + r²/2) / (n − 3) (Bonett and Wright, 2000);
    with clusters the variance of z is that of the jackknife that leaves out one cluster at a time, with t of
    (clusters − 1) degrees of freedom (Efron and Stein, 1981; Bell and McCaffrey, 2002). Disattenuated: r / √(product
    of the reliabilities) (Spearman, 1904), interval likewise, which takes the reliabilities as known (Charles, 2005).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> safety = rng.normal(size=200)
    >>> scores = pd.DataFrame({"cult": safety + rng.normal(size=200), "safety": safety})
    >>> expected = Hypothesis(name="culture", first="cult", second="safety", expected="at_least",
    ...                       threshold=0.5, source="theory")
    >>> hypothesis_tests(scores, [expected]).table[["expected", "by_estimate", "by_interval"]].iloc[0].tolist()
    ['r ≥ .50', 'met', 'met']
    """
    if correlation not in _CORRELATIONS:
        raise ValueError(f"correlation must be 'pearson' or 'spearman', got {correlation!r}")
    _check_scores(scores)
    hypotheses = _stated(hypotheses, Hypothesis)
    wanted = list(dict.fromkeys(name for each in hypotheses for name in (each.first, each.second)))
    known = _reliabilities(reliabilities, {*wanted, *scores.columns})
    values = numeric_answers(scores[[name for name in wanted if name in scores.columns]], at_least=0)
    teams = None if clusters is None else same_responses(clusters, values.index, "clusters", one_column=True)
    absent = [name for name in wanted if name not in values.columns]
    rows: dict[str, dict[str, Any]] = {}
    reasons: dict[str, str] = {}
    for each in hypotheses:
        row: dict[str, Any] = {"first": each.first, "second": each.second, "expected": each.words}
        lacking = [name for name in (each.first, each.second) if name in absent]
        try:
            if lacking:
                raise ValueError(f"there is no column {', '.join(lacking)}")
            found = correlate(values[each.first], values[each.second], kind=correlation, clusters=teams)
        except ValueError as refusal:
            reasons[each.name] = str(refusal)
            row |= {"by_estimate": NOT_ASSESSED, "by_interval": NOT_ASSESSED}
        else:
            row |= found | _verdicts(found["estimate"], (found["ci_low"], found["ci_high"]), each.bounds)
            row |= _disattenuated(found, known, each)
        rows[each.name] = row | {"source": each.source}
    _require_some(rows, reasons)
    order = ["first", "second", "expected", "estimate", "ci_low", "ci_high", "n"]
    order += ["disattenuated", "disattenuated_low", "disattenuated_high"] if known else []
    table = _table(rows, [*order, "by_estimate", "by_interval", "source"])
    families = [each.family or each.name for each in hypotheses]
    share = _share(table, families)
    notes = [*_reason_notes(reasons), _share_note(share)]
    notes += _disattenuation_notes(table, known, wanted)
    if clusters is None:
        notes.append(
            "Intervals take people as independent; people of one team are not: give clusters= where it is known."
        )
    elif teams is not None and teams.nunique() < 20:
        notes.append(f"{teams.nunique()} clusters are few: intervals from them are rough.")
    return HypothesisTests(
        title="Hypotheses about correlations",
        table=table,
        method=f"{_CORRELATIONS[correlation]} correlations with intervals by Fisher's (1921) z"
        + (" (variance of Bonett & Wright, 2000)" if correlation == "spearman" and clusters is None else "")
        + (", standard errors by the jackknife over clusters (Bell & McCaffrey, 2002)" if clusters is not None else "")
        + ("; disattenuated correlations (Spearman, 1904), reliabilities taken as known" if known else "")
        + f". Hypotheses were stated beforehand; criterion: {CRITERION}.",
        notes=tuple(notes),
        share=share,
    )


def known_groups(
    scores: pd.DataFrame,
    groups: pd.Series,
    hypotheses: Sequence[GroupHypothesis],
    *,
    cluster: pd.Series | pd.DataFrame | None = None,
    method: Literal["welch", "rank"] = "welch",
) -> KnownGroups:
    """Test hypotheses about differences between groups that were stated before the data were seen.

    Parameters
    ----------
    scores : pandas.DataFrame
        Response × score.
    groups : pandas.Series
        The group of each response, same index.
    hypotheses : sequence of GroupHypothesis
        All that were stated, also those that these data cannot test.
    cluster : pandas.Series or pandas.DataFrame, optional
        As `compare_groups`: people sit in teams.
    method : {"welch", "rank"}
        As `compare_groups`: the effect size is Hedges' g (with ``cluster``: the difference over the root of the
        summed variances), or Cliff's delta.

    Returns
    -------
    KnownGroups
        ``table`` has the index ``hypothesis``: score, higher, lower, expected, estimate (effect size, positive
        in the expected direction), ci_low, ci_high, p, n, ``by_estimate``, ``by_interval``, source.

    Raises
    ------
    ValueError
        As `compare_groups`; also for no hypotheses or two of one name, or none that can be assessed.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> group = pd.Series(["lived experience", "other"] * 60)
    >>> scores = pd.DataFrame({"supv": rng.normal(size=120) + (group == "lived experience")})
    >>> known_groups(scores, group, PWIQ_GROUP_HYPOTHESES).table[["expected", "by_interval"]].iloc[0].tolist()
    ['g > 0', 'met']
    """
    if method not in ("welch", "rank"):
        raise ValueError(f"method must be 'welch' or 'rank', got {method!r}")
    _check_scores(scores)
    hypotheses = _stated(hypotheses, GroupHypothesis)
    groups = same_responses(groups, scores.index, "groups", one_column=True)
    wanted = [name for name in dict.fromkeys(each.score for each in hypotheses) if name in scores.columns]
    if not wanted:
        named = ", ".join(sorted({each.score for each in hypotheses}))
        raise ValueError(f"no hypothesis can be assessed: scores has none of the columns {named}")
    comparison = compare_groups(scores[wanted], groups, cluster=cluster, method=method)
    symbol = "g" if method == "welch" else "delta"
    pairs = comparison.pairwise
    rows: dict[str, dict[str, Any]] = {}
    reasons: dict[str, str] = {}
    for each in hypotheses:
        words = f"{symbol} ≥ {each.at_least:g}" if each.at_least else f"{symbol} > 0"
        row: dict[str, Any] = {"score": each.score, "higher": each.higher, "lower": each.lower, "expected": words}
        as_given = (each.score, each.higher, each.lower)
        turned = (each.score, each.lower, each.higher)
        place = as_given if as_given in pairs.index else turned
        if place not in pairs.index:
            reasons[each.name] = f"there is no {each.score} of the groups {each.higher} and {each.lower}"
        elif pd.isna(pairs.loc[place, "effect_size"]):
            reasons[each.name] = "there are too few answers, see the notes of the comparison"
        if each.name in reasons:
            row |= {"by_estimate": NOT_ASSESSED, "by_interval": NOT_ASSESSED}
        else:
            pair = pairs.loc[place]
            numbers = [float(pair[name]) for name in ("effect_size", "effect_low", "effect_high")]
            size, low, high = numbers if place == as_given else [-numbers[0], -numbers[2], -numbers[1]]
            members = comparison.means["n"].reindex([place[:2], (place[0], place[2])])
            row |= {"estimate": size, "ci_low": low, "ci_high": high, "p": float(pair["p"]), "n": int(members.sum())}
            row |= _verdicts(size, (low, high), (each.at_least, np.inf))
        rows[each.name] = row | {"source": each.source}
    _require_some(rows, reasons)
    order = ["score", "higher", "lower", "expected", "estimate", "ci_low", "ci_high", "p", "n"]
    table = _table(rows, [*order, "by_estimate", "by_interval", "source"])
    share = _share(table, [each.name for each in hypotheses])
    return KnownGroups(
        title="Hypotheses about groups",
        table=table,
        method=f"{comparison.method} Hypotheses were stated beforehand; criterion: {CRITERION}.",
        notes=(*_reason_notes(reasons), _share_note(share), *comparison.notes),
        share=share,
        comparison=comparison,
    )


# What was stated


def _check_scores(scores: pd.DataFrame) -> None:
    if not isinstance(scores, pd.DataFrame):
        raise ValueError(f"scores must be a DataFrame, response × score; got {type(scores).__name__}")


def _stated(given: Sequence[Stated], kind: type[Stated]) -> tuple[Stated, ...]:
    """Return the hypotheses, all of one kind and each under a name of its own."""
    name = kind.__name__
    if isinstance(given, kind):
        raise ValueError(f"hypotheses must be a list, got a single {name}: put it in brackets, [{name}(…)]")
    if isinstance(given, str | Mapping) or not isinstance(given, Iterable):
        raise ValueError(f"hypotheses must be a list of {name}, got {type(given).__name__}")
    hypotheses = tuple(given)
    strange = [each for each in hypotheses if not isinstance(each, kind)]
    if strange:
        raise ValueError(
            f"hypotheses must be a list of {name}, got {strange[0]!r} in it: write it as {name}(name=…, …)"
        )
    _check_names([str(each.name) for each in hypotheses])
    return hypotheses


def _check_names(names: list[str]) -> None:
    if not names:
        raise ValueError("give at least one hypothesis")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"hypotheses of the same name: {', '.join(doubled)}; give each its own")


def _reliabilities(given: Mapping[str, float] | pd.Series | None, scores: set[str]) -> dict[str, float]:
    if given is None:
        return {}
    if not isinstance(given, Mapping | pd.Series):
        raise ValueError(f"reliabilities must map scores to numbers, such as {{'role': 0.85}}; got {given!r}")
    if isinstance(given, pd.Series) and not given.index.is_unique:
        raise ValueError("reliabilities name a score twice: give each score one")
    known: dict[str, float] = {str(name): value for name, value in given.items()}
    if strange := [name for name in known if name not in scores]:
        raise ValueError(
            f"reliabilities of unknown scores: {', '.join(strange)}; name columns of scores, or scores of a hypothesis"
        )
    wrong = [f"{name} ({value})" for name, value in known.items() if not (_is_number(value) and 0 < value <= 1)]
    if wrong:
        raise ValueError(f"reliabilities must lie above 0, up to 1; out of range: {', '.join(wrong)}")
    return known


# Verdicts


def _verdicts(estimate: float, interval: tuple[float, float], bounds: tuple[float, float]) -> dict[str, str]:
    low, high = interval
    inside = bounds[0] <= low and high <= bounds[1]
    outside = high < bounds[0] or low > bounds[1]
    by_interval = MET if inside else NOT_MET if outside else TOO_CLOSE
    # "Higher" without a size means above 0: a difference of exactly 0 does not meet it.
    met = bounds[0] <= estimate <= bounds[1] and not (bounds == (0.0, np.inf) and estimate == 0)
    return {"by_estimate": MET if met else NOT_MET, "by_interval": by_interval}


def _disattenuated(found: dict[str, float], known: dict[str, float], each: Hypothesis) -> dict[str, float]:
    if each.first not in known or each.second not in known:
        return {}
    root = np.sqrt(known[each.first] * known[each.second])
    return {
        "disattenuated": float(found["estimate"] / root),
        "disattenuated_low": float(found["ci_low"] / root),
        "disattenuated_high": float(found["ci_high"] / root),
    }


def _require_some(rows: dict[str, dict[str, Any]], reasons: dict[str, str]) -> None:
    if len(reasons) == len(rows):
        said = "; ".join(f"{name}: {reason}" for name, reason in list(reasons.items())[:5])
        raise ValueError(f"no hypothesis can be assessed. {said}")


def _table(rows: dict[str, dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    table = pd.DataFrame.from_dict(rows, orient="index").reindex(columns=columns)
    return table.astype({"n": "Int64"}).rename_axis("hypothesis")


def _share(table: pd.DataFrame, families: list[str]) -> pd.DataFrame:
    rows = {}
    for rule in ("by_estimate", "by_interval"):
        verdicts = pd.Series(table[rule].to_numpy(), index=families).groupby(level=0, sort=False).agg(_of_family)
        counts = {
            "met": int((verdicts == MET).sum()),
            "not_met": int((verdicts == NOT_MET).sum()),
            "too_close": int((verdicts == TOO_CLOSE).sum()),
            "not_assessed": int((verdicts == NOT_ASSESSED).sum()),
        }
        n = len(verdicts) - counts["not_assessed"]
        rows[rule] = counts | {"n": n, "percent": 100 * counts["met"] / n}
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("rule")


def _of_family(verdicts: pd.Series) -> str:
    """One verdict for hypotheses that stand and fall together: that of its worst assessed member."""
    found = set(verdicts)
    return next(each for each in (NOT_MET, TOO_CLOSE, MET, NOT_ASSESSED) if each in found)


def share_rating(share: pd.Series) -> Literal["+", "−", "?"]:
    """Whether 75 % of the stated hypotheses are met, whatever those would show that were not assessed."""
    stated = share["n"] + share["not_assessed"]
    if 100 * share["met"] / stated >= _SHARE:
        return "+"
    return "−" if 100 * (share["met"] + share["not_assessed"]) / stated < _SHARE else "?"


def _share_note(share: pd.DataFrame) -> str:
    by_estimate, by_interval = share.loc["by_estimate"], share.loc["by_interval"]
    n, missing = int(by_estimate["n"]), int(by_estimate["not_assessed"])
    verdicts = {"+": "reached", "−": "not reached", "?": "open, since too many stated hypotheses were not assessed"}
    return (
        f"{int(by_estimate['met'])} of {n} assessed hypotheses met by the estimate ({by_estimate['percent']:.0f} %); by the "
        f"interval {int(by_interval['met'])} are met and {int(by_interval['too_close'])} too close to call; {missing} of "
        f"{n + missing} stated ones were not assessed (a family counts once). The criterion of 75 % by the estimate (Terwee "
        f"et al., 2007) is {verdicts[share_rating(by_estimate)]}."
    )


def _reason_notes(reasons: dict[str, str]) -> list[str]:
    grouped: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        grouped.setdefault(reason, []).append(name)
    return [f"Not assessed, since {reason}: {', '.join(names)}." for reason, names in grouped.items()]


def _disattenuation_notes(table: pd.DataFrame, known: dict[str, float], wanted: list[str]) -> list[str]:
    if not known:
        return []
    without = [name for name in wanted if name not in known]
    notes = [f"No disattenuated correlation where a reliability is not given: {', '.join(without)}."] if without else []
    if (table["disattenuated"].abs() > 1).any():
        above = ", ".join(map(str, table.index[table["disattenuated"].abs() > 1]))
        notes.append(
            f"Disattenuated correlations beyond 1 ({above}) arise by sampling error or from reliabilities that are too low "
            "(Charles, 2005); they are not cut back to 1."
        )
    return notes
