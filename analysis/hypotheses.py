"""Validity beyond structure: pre-stated hypotheses, known groups, responsiveness, and what was not assessed at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from analysis.groups import GroupComparison, compare_groups
from analysis.missing import numeric_answers
from analysis.reliability import Reliability
from analysis.result import Result
from analysis.retest import Retest

Matrix = NDArray[np.floating[Any]]
Expected = Literal["at_least", "at_most", "between"]
Correlation = Literal["pearson", "spearman"]

MET, NOT_MET, TOO_CLOSE, NOT_ASSESSED = "met", "not met", "too close to call", "not assessed"

_QUANTILE = float(stats.norm.ppf(0.975))
_FEWEST_PEOPLE = 10
_FEWEST_CLUSTERS = 5
_SHARE = 75.0
_COSMIN_SHARE = "at least 75 % of the hypotheses met (Terwee et al., 2007)"
# Revicki, Hays, Cella and Sloan (2008): an anchor that correlates less says nothing about the score.
_WEAKEST_ANCHOR = 0.30
_FEWEST_OF_EACH = 10
_NEWTON_STEPS = 30
# Numbers held at once for bootstrap draws × people (32 MB).
_BLOCK = 4_000_000
_CORRELATIONS = {"pearson": "Pearson", "spearman": "Spearman rank"}


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
        if isinstance(self.threshold, tuple) != (self.expected == "between"):
            raise ValueError(
                f"{self.name}: 'between' takes two thresholds, (low, high), and the others one; got {self.threshold!r}"
            )
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
            return f"{_r(low)} ≤ r ≤ {_r(high)}"
        return f"r ≥ {_r(low)}" if self.expected == "at_least" else f"r ≤ {_r(high)}"


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
        if self.at_least < 0:
            raise ValueError(f"{self.name}: at_least must be 0 or more, got {self.at_least}: swap higher and lower")


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


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Responsiveness(Result):
    """Whether the score changes when people say that things changed, and by how much that matters.

    Parameters
    ----------
    groups : pandas.DataFrame
        Index ``anchor``, each answer to the global rating: ``n``, ``mean`` and ``sd`` of the change, and
        ``srm``. Small groups can be recognised in it: not for publication.
    """

    groups: pd.DataFrame


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
        For no hypotheses or two of one name, scores that are text, none that can be assessed, unknown
        options, a reliability out of range, indexes that differ, or fewer than 5 clusters.

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
    _check_names([each.name for each in hypotheses])
    known = _reliabilities(reliabilities)
    wanted = list(dict.fromkeys(name for each in hypotheses for name in (each.first, each.second)))
    values = numeric_answers(scores[[name for name in wanted if name in scores.columns]], at_least=0)
    teams = None if clusters is None else _same_index(clusters, values.index, "clusters")
    absent = [name for name in wanted if name not in values.columns]
    rows: dict[str, dict[str, Any]] = {}
    reasons: dict[str, str] = {}
    for each in hypotheses:
        row: dict[str, Any] = {"first": each.first, "second": each.second, "expected": each.words}
        lacking = [name for name in (each.first, each.second) if name in absent]
        try:
            if lacking:
                raise ValueError(f"there is no column {', '.join(lacking)}")
            found = _correlate(values[each.first], values[each.second], correlation, teams)
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
        + f". Hypotheses were stated beforehand; criterion: {_COSMIN_SHARE}.",
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
    _check_names([each.name for each in hypotheses])
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
        method=f"{comparison.method} Hypotheses were stated beforehand; criterion: {_COSMIN_SHARE}.",
        notes=(*_reason_notes(reasons), _share_note(share), *comparison.notes),
        share=share,
        comparison=comparison,
    )


def responsiveness(
    change: pd.Series,
    anchor: pd.Series,
    *,
    unchanged: float | None = None,
    before: pd.Series | None = None,
    anchor_reliability: float | None = None,
    sdc: float | None = None,
    clusters: pd.Series | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Responsiveness:
    """Compare change of a score with people's own rating of change, and estimate how much change matters.

    Parameters
    ----------
    change : pandas.Series
        Score after minus before, of each person; higher is better.
    anchor : pandas.Series
        Global rating of change, same index: seven points, −3 to 3 or 1 to 7, higher is better.
    unchanged : float, optional
        The rating that means "no change"; people above it count as improved, all others as not. Found from
        the ratings where they leave no doubt (0 or 4).
    before : pandas.Series, optional
        Score at the start: adds the effect size (mean change / SD at the start) and how the rating goes
        with the score before and after, which shows a rating of the present state.
    anchor_reliability : float, optional
        Reliability of the rating, above 0 up to 1: adds the improved adjustment.
    sdc : float, optional
        Smallest detectable change of one person, in the unit of the score (`retest`), to stand beside.
    clusters : pandas.Series, optional
        The team of each person, same index: whole teams are drawn in the bootstrap.
    draws : int
        Bootstrap samples for intervals.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Responsiveness
        ``table`` has the index ``statistic``; the first row is the headline: ``mic_adjusted`` (or
        ``mic_improved_adjusted``), then ``mic_predicted``, ``mic_roc``, ``anchor_correlation``, ``auc``, ``srm``
        and, where asked for, ``effect_size``, ``anchor_with_before``, ``anchor_with_after``, ``sdc``.

    Raises
    ------
    ValueError
        If the anchor correlates less than .30 with change (no important change can be had from it), fewer than
        10 people improved or did not, the two do not overlap in change, ratings are not on one of the scales,
        indexes differ, or options are out of range.

    Notes
    -----
    Anchor: Spearman correlation of at least .30 (Revicki et al., 2008). Minimal important change by predictive
    modelling (Terluin, Eekhout, Terwee and De Vet, 2015): the change at which the odds of having improved, by logistic
    regression, equal those of the whole sample. It is biased unless half improved: adjusted = predicted − (.090 +
    .103 r) SD ln(odds) with r the point-biserial correlation of change and improvement and SD that of the change
    (Terluin, Eekhout and Terwee, 2017); improved adjustment = predicted − (.8 / reliability − .5) SD r ln(odds)
    (Terluin, Eekhout and Terwee, 2022). Beside it the cut-off of the highest Youden index (1950), the mean of them where
    several are equally high. AUC: DeLong, DeLong and Clarke-Pearson (1988). Other intervals: percentile bootstrap.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> felt = rng.normal(size=400)
    >>> change = pd.Series(10 * felt + rng.normal(scale=5, size=400))
    >>> anchor = pd.Series(np.clip(np.round(felt), -3, 3))
    >>> responsiveness(change, anchor, draws=200).table.index[:3].tolist()
    ['mic_adjusted', 'mic_predicted', 'mic_roc']
    """
    if draws < 100:
        raise ValueError(f"draws must be at least 100 for an interval, got {draws}")
    if anchor_reliability is not None and not 0 < anchor_reliability <= 1:
        raise ValueError(f"anchor_reliability must lie above 0, up to 1; got {anchor_reliability}")
    if sdc is not None and not sdc > 0:
        raise ValueError(f"sdc must be positive, got {sdc}")
    people, notes = _changes(change, anchor, before, clusters)
    centre = _unchanged(people["anchor"], unchanged)
    improved = (people["anchor"] > centre).to_numpy()
    teams = people["clusters"] if clusters is not None else None
    link = _correlate(people["change"], people["anchor"], "spearman", teams)
    _check_anchor(link, improved)
    values = people["change"].to_numpy(dtype=float)
    start = people["before"].to_numpy(dtype=float) if before is not None else None
    _check_overlap(values, improved)
    point, settled = _statistics(values, improved, start, np.ones((1, len(values))), anchor_reliability)
    if not settled.all():
        raise ValueError(
            "the logistic regression of improvement on change has no solution: those who improved and those who did not "
            "hardly overlap in change; collect more follow-ups"
        )
    drawn, failed = _bootstrap(values, improved, start, anchor_reliability, teams, draws, seed)
    bounds = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    names = _statistic_names(start is not None, anchor_reliability is not None)
    rows = {
        name: {"estimate": point[0, at], "ci_low": bounds[0, at], "ci_high": bounds[1, at]}
        for at, name in enumerate(names)
    }
    if clusters is None:
        rows["auc"] = _delong(values, improved)
    rows["anchor_correlation"] = link
    if start is not None:
        rows["anchor_with_before"] = _correlate(people["before"], people["anchor"], "spearman", teams)
        rows["anchor_with_after"] = _correlate(people["before"] + people["change"], people["anchor"], "spearman", teams)
    if sdc is not None:
        rows["sdc"] = {"estimate": float(sdc)}
    order = ["mic_improved_adjusted", "mic_adjusted", "mic_predicted", "mic_roc", "anchor_correlation", "auc", "srm"]
    order += ["effect_size", "anchor_with_before", "anchor_with_after", "sdc"]
    table = pd.DataFrame.from_dict({name: rows[name] for name in order if name in rows}, orient="index")
    table = table[["estimate", "ci_low", "ci_high"]].assign(n=len(people)).rename_axis("statistic")
    if failed:
        notes.append(
            f"In {failed} of {draws} bootstrap samples the regression had no solution, since those who improved and those "
            "who did not hardly overlapped; intervals rest on the others."
        )
    notes += _change_notes(table, improved, centre)
    resampled = "bootstrap samples" if clusters is None else "bootstrap samples of clusters"
    return Responsiveness(
        title="Responsiveness and minimal important change",
        table=table,
        method="Spearman correlation of change with a global rating of change; minimal important change by predictive "
        "modelling (Terluin et al., 2015), adjusted for the proportion improved (Terluin et al., 2017"
        + ("; with the reliability of the rating: Terluin et al., 2022" if anchor_reliability is not None else "")
        + f"), beside the Youden cut-off; intervals from {draws} {resampled} "
        f"(seed {seed}), that of the AUC by {'the same' if clusters is not None else 'DeLong et al. (1988)'}. "
        f"{len(people)} people, {int(improved.sum())} improved.",
        notes=tuple(notes),
        groups=_by_anchor(people),
    )


# Correlations and verdicts


def _r(value: float) -> str:
    return f"{value:.2f}".replace("0.", ".", 1).replace("-", "−")


def _check_names(names: list[str]) -> None:
    if not names:
        raise ValueError("give at least one hypothesis")
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"hypotheses of the same name: {', '.join(doubled)}; give each its own")


def _reliabilities(given: Mapping[str, float] | pd.Series | None) -> dict[str, float]:
    known = {str(name): float(value) for name, value in ({} if given is None else given).items()}
    wrong = [f"{name} ({value:g})" for name, value in known.items() if not 0 < value <= 1]
    if wrong:
        raise ValueError(f"reliabilities must lie above 0, up to 1; out of range: {', '.join(wrong)}")
    return known


def _same_index(given: pd.Series, index: pd.Index, what: str) -> pd.Series:
    if not index.is_unique or not given.index.is_unique or set(given.index) != set(index):
        raise ValueError(
            f"{what} must have the same index as the scores, each response once: {len(index)} responses in the scores, "
            f"{len(given)} in {what}, {int(index.isin(given.index).sum())} of them shared"
        )
    return given.reindex(index)


def _correlate(first: pd.Series, second: pd.Series, kind: Correlation, clusters: pd.Series | None) -> dict[str, float]:
    """Correlation with its interval and n; ValueError where there is none."""
    both = first.notna() & second.notna()
    if clusters is not None:
        both &= clusters.notna()
    x, y = first[both].to_numpy(dtype=float), second[both].to_numpy(dtype=float)
    n = len(x)
    if n < _FEWEST_PEOPLE:
        raise ValueError(f"{n} people have both {first.name} and {second.name}; at least {_FEWEST_PEOPLE} are needed")
    for name, values in ((first.name, x), (second.name, y)):
        if np.ptp(values) == 0:
            raise ValueError(f"all {n} people have the same {name}")
    r = _coefficient(x, y, kind)
    if abs(r) > 1 - 1e-12:
        raise ValueError(f"{first.name} and {second.name} are copies of each other")
    if clusters is None:
        spread = np.sqrt((1 + r**2 / 2 if kind == "spearman" else 1.0) / (n - 3))
        reach = _QUANTILE * spread
    else:
        reach = _jackknife_reach(x, y, kind, pd.factorize(clusters[both])[0])
    low, high = np.tanh(np.arctanh(r) + np.array([-reach, reach]))
    return {"estimate": r, "ci_low": float(low), "ci_high": float(high), "n": n}


def _coefficient(x: Matrix, y: Matrix, kind: Correlation) -> float:
    if kind == "spearman":
        x, y = stats.rankdata(x), stats.rankdata(y)
    return float(np.corrcoef(x, y)[0, 1])


def _jackknife_reach(x: Matrix, y: Matrix, kind: Correlation, codes: NDArray[np.integer[Any]]) -> float:
    """Half the interval of z, from leaving out one cluster at a time."""
    count = int(codes.max()) + 1
    if count < _FEWEST_CLUSTERS:
        raise ValueError(f"at least {_FEWEST_CLUSTERS} clusters are needed, got {count}: leave clusters out and say so")
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.arctanh([_coefficient(x[codes != each], y[codes != each], kind) for each in range(count)])
    if not np.isfinite(z).all():
        raise ValueError(
            "the correlation rests on one cluster: without it scores are all alike or copies of each other"
        )
    se = np.sqrt((count - 1) / count * np.sum((z - z.mean()) ** 2))
    return float(stats.t.ppf(0.975, count - 1) * se)


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


def _share_rating(share: pd.Series) -> Literal["+", "−", "?"]:
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
        f"et al., 2007) is {verdicts[_share_rating(by_estimate)]}."
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


# Change


def _changes(
    change: pd.Series, anchor: pd.Series, before: pd.Series | None, clusters: pd.Series | None
) -> tuple[pd.DataFrame, list[str]]:
    parts = {"change": change, "anchor": _same_index(anchor, change.index, "anchor")}
    if before is not None:
        parts["before"] = _same_index(before, change.index, "before")
    people = numeric_answers(pd.DataFrame(parts), at_least=2)
    if clusters is not None:
        people["clusters"] = pd.factorize(_same_index(clusters, change.index, "clusters"))[0]
        people["clusters"] = people["clusters"].where(people["clusters"] >= 0)
    complete = people.dropna()
    left_out = len(people) - len(complete)
    return complete, [f"{left_out} of {len(people)} people lack a part and are left out."] if left_out else []


def _unchanged(anchor: pd.Series, given: float | None) -> float:
    if given is not None:
        return given
    low, high = anchor.min(), anchor.max()
    if low <= 0 and low >= -3 and high <= 3:
        return 0.0
    if low >= 1 and 3 < high <= 7:
        return 4.0
    raise ValueError(
        f"ratings from {low:g} to {high:g} do not tell which scale they are on (−3 to 3, or 1 to 7): say with unchanged= which "
        "rating means no change"
    )


def _check_anchor(link: dict[str, float], improved: NDArray[np.bool_]) -> None:
    r = link["estimate"]
    if r <= -_WEAKEST_ANCHOR:
        raise ValueError(
            f"people who say that things got better have lower change scores (Spearman r = {r:.2f}): turn the rating or the "
            "score so that higher is better in both"
        )
    if r < _WEAKEST_ANCHOR:
        raise ValueError(
            f"the rating of change correlates {r:.2f} (95 % interval {link['ci_low']:.2f} to {link['ci_high']:.2f}, "
            f"n = {link['n']:.0f}) with change of the score; under .30 no important change can be had from it "
            "(Revicki et al., 2008): report the correlation, and find a better anchor"
        )
    counts = int(improved.sum()), int((~improved).sum())
    if min(counts) < _FEWEST_OF_EACH:
        raise ValueError(
            f"at least {_FEWEST_OF_EACH} people who improved and as many who did not are needed, got "
            f"{counts[0]} and {counts[1]}: collect more follow-ups"
        )


def _check_overlap(change: Matrix, improved: NDArray[np.bool_]) -> None:
    if change[improved].min() >= change[~improved].max():
        raise ValueError(
            "nobody who improved has a lower change score than anyone who did not, so that no model can say where between "
            f"them the border lies: it is between {change[~improved].max():g} and {change[improved].min():g}; "
            "collect more follow-ups"
        )


def _statistic_names(with_before: bool, with_reliability: bool) -> list[str]:
    names = ["mic_predicted", "mic_adjusted", "mic_roc", "auc", "srm"]
    return names + ["effect_size"] * with_before + ["mic_improved_adjusted"] * with_reliability


def _statistics(
    change: Matrix, improved: NDArray[np.bool_], before: Matrix | None, weights: Matrix, reliability: float | None
) -> tuple[Matrix, NDArray[np.bool_]]:
    """All that is bootstrapped, of each row of weights (times that each person counts), and whether it settled."""
    of_change = _weighted_moments(change, weights)
    share = weights @ improved / weights.sum(axis=1)
    odds = special.logit(share)
    intercept, slope, settled = _logistic(change, improved, weights)
    predicted = (odds - intercept) / slope
    n = weights.sum(axis=1)
    covariance = (weights @ (change * improved) / n - of_change.mean * share) * n / (n - 1)
    point_biserial = covariance / (of_change.sd * np.sqrt(share * (1 - share) * n / (n - 1)))
    adjusted = predicted - (0.090 + 0.103 * point_biserial) * of_change.sd * odds
    cut, auc = _roc(change, improved, weights)
    columns = [predicted, adjusted, cut, auc, of_change.mean / of_change.sd]
    if before is not None:
        columns.append(of_change.mean / _weighted_moments(before, weights).sd)
    if reliability is not None:
        columns.append(predicted - (0.8 / reliability - 0.5) * of_change.sd * point_biserial * odds)
    return np.stack(columns, axis=1), settled


@dataclass(frozen=True, kw_only=True)
class _Moments:
    mean: Matrix
    sd: Matrix


def _weighted_moments(values: Matrix, weights: Matrix) -> _Moments:
    n = weights.sum(axis=1)
    centre = values.mean()
    shifted = values - centre
    mean = weights @ shifted / n
    variance = (weights @ shifted**2 / n - mean**2) * n / (n - 1)
    return _Moments(mean=centre + mean, sd=np.sqrt(np.maximum(variance, 0.0)))


def _logistic(x: Matrix, y: NDArray[np.bool_], weights: Matrix) -> tuple[Matrix, Matrix, NDArray[np.bool_]]:
    """Intercept and slope of logistic regressions with one predictor, one for each row of weights, by Newton's method."""
    centre, scale = x.mean(), x.std()
    standard = (x - centre) / scale
    share = weights @ y / weights.sum(axis=1)
    beta = np.stack([special.logit(share), np.zeros(len(weights))], axis=1)
    settled = np.zeros(len(weights), dtype=bool)
    for _ in range(_NEWTON_STEPS):
        p = special.expit(beta[:, :1] + beta[:, 1:] * standard)
        residual = weights * (y - p)
        curve = weights * p * (1 - p)
        gradient = residual.sum(axis=1), residual @ standard
        a, b, c = curve.sum(axis=1), curve @ standard, curve @ standard**2
        determinant = a * c - b**2
        # Where a sample separates the groups the curve flattens out to 0: that sample has no finite slope.
        usable = determinant > 1e-12 * np.maximum(a, 1) ** 2
        safe = np.where(usable, determinant, 1.0)
        step = np.stack(
            [(c * gradient[0] - b * gradient[1]) / safe, (a * gradient[1] - b * gradient[0]) / safe], axis=1
        )
        step[~usable] = 0
        beta = beta + step
        settled = usable & (np.abs(step).max(axis=1) < 1e-9)
        if np.all(settled | ~usable):
            break
    slope = np.where(settled, beta[:, 1], np.nan) / scale
    return beta[:, 0] - slope * centre, slope, settled


def _roc(change: Matrix, improved: NDArray[np.bool_], weights: Matrix) -> tuple[Matrix, Matrix]:
    """Cut-off of the highest Youden index, midway between values, and the area under the curve."""
    values, place = np.unique(change, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(values)))
    sorted_weights, sorted_improved = weights[:, order], improved[order]
    better = np.add.reduceat(sorted_weights * sorted_improved, starts, axis=1)
    other = np.add.reduceat(sorted_weights * ~sorted_improved, starts, axis=1)
    better /= better.sum(axis=1, keepdims=True)
    other /= other.sum(axis=1, keepdims=True)
    below_better, below_other = np.cumsum(better, axis=1), np.cumsum(other, axis=1)
    auc = np.sum(better * (below_other - other / 2), axis=1)
    youden = (below_other - below_better)[:, :-1]
    best = youden >= youden.max(axis=1, keepdims=True) - 1e-12
    cuts = (values[1:] + values[:-1]) / 2
    return best @ cuts / best.sum(axis=1), auc


def _delong(change: Matrix, improved: NDArray[np.bool_]) -> dict[str, float]:
    """Area under the curve with the interval of DeLong, DeLong and Clarke-Pearson (1988), kept within 0 and 1."""
    better, other = change[improved], change[~improved]
    ranks = stats.rankdata(np.concatenate([better, other]))
    above = (ranks[: len(better)] - stats.rankdata(better)) / len(other)
    below = 1 - (ranks[len(better) :] - stats.rankdata(other)) / len(better)
    auc = float(above.mean())
    se = np.sqrt(above.var(ddof=1) / len(better) + below.var(ddof=1) / len(other))
    low, high = np.clip([auc - _QUANTILE * se, auc + _QUANTILE * se], 0, 1)
    return {"estimate": auc, "ci_low": float(low), "ci_high": float(high)}


def _bootstrap(
    change: Matrix,
    improved: NDArray[np.bool_],
    before: Matrix | None,
    reliability: float | None,
    clusters: pd.Series | None,
    draws: int,
    seed: int,
) -> tuple[Matrix, int]:
    """Statistics of each sample, and how many samples gave none."""
    rng = np.random.default_rng(seed)
    units = np.arange(len(change)) if clusters is None else pd.factorize(clusters)[0]
    count = int(units.max()) + 1
    at_once = max(_BLOCK // len(change), 1)
    pieces, done = [], 0
    while done < draws:
        size = min(at_once, draws - done)
        times = rng.multinomial(count, np.full(count, 1 / count), size=size).astype(float)
        weights = times[:, units]
        chosen = weights @ improved
        weights = weights[(chosen > 1) & (chosen < weights.sum(axis=1) - 1)]
        found, settled = _statistics(change, improved, before, weights, reliability)
        pieces.append(found[settled])
        done += size
    drawn = np.concatenate(pieces)
    if len(drawn) < draws / 2:
        raise ValueError(
            f"in {draws - len(drawn)} of {draws} bootstrap samples the people who improved and those who did not do not overlap: "
            "there are too few for an interval; collect more follow-ups"
        )
    return drawn, draws - len(drawn)


def _by_anchor(people: pd.DataFrame) -> pd.DataFrame:
    grouped = people.groupby("anchor")["change"]
    table = grouped.agg(["count", "mean", "std"]).set_axis(["n", "mean", "sd"], axis=1)
    return table.assign(srm=table["mean"] / table["sd"].where(table["sd"] > 0))


def _change_notes(table: pd.DataFrame, improved: NDArray[np.bool_], centre: float) -> list[str]:
    share = float(improved.mean())
    headline = table.iloc[0]
    notes = [
        f"Ratings above {centre:g} count as improved ({share:.0%}), all others, also worse ones, as not.".replace(
            "%", " %"
        ),
        "A global rating of change is a memory and leans on how things are now; the important change holds for these "
        "people and this anchor, and for the mean of many, not as a bar for one person.",
    ]
    link = table.loc["anchor_correlation"]
    if link["ci_low"] < _WEAKEST_ANCHOR:
        notes.append(
            f"The anchor's correlation of {link['estimate']:.2f} reaches .30 (Revicki et al., 2008), but its interval begins at "
            f"{link['ci_low']:.2f}: the anchor may be too weak."
        )
    if not 0.3 <= share <= 0.7:
        notes.append("Few or nearly all improved: the adjustment for that is least sure here.")
    if "sdc" in table.index:
        detectable, important = table.loc["sdc", "estimate"], headline["estimate"]
        word = "below" if detectable < important else "not below"
        notes.append(
            f"The smallest detectable change ({detectable:.3g}) is {word} the minimal important change "
            f"({important:.3g}, interval {headline['ci_low']:.3g} to {headline['ci_high']:.3g}): one person's "
            f"important change {'can' if detectable < important else 'cannot'} be told from measurement error "
            "(Terwee et al., 2007)."
        )
    if "anchor_with_before" in table.index:
        notes.append(
            "A rating of change should go with the score after and, about as strongly but the other way, with the score before "
            "(Guyatt et al., 2002); one that goes with the score after alone rates the present."
        )
    return notes


# What was assessed, and what was not

Rating = Literal["+", "−", "?"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a study says about one measurement property.

    Parameters
    ----------
    rating : {"+", "−", "?"}
        Sufficient, insufficient, or indeterminate by the criterion.
    finding : str
        In a sentence, with numbers.
    criterion : str
        Of whom.
    """

    rating: Rating
    finding: str
    criterion: str

    def __post_init__(self) -> None:
        if self.rating not in ("+", "−", "?"):
            raise ValueError(f"rating must be '+', '−' or '?', got {self.rating!r}")


_PRINSEN = "Prinsen et al. (2018)"
_PROPERTIES = {
    "content_validity": "content validity",
    "structural_validity": "structural validity",
    "internal_consistency": "internal consistency",
    "cross_cultural_validity": "cross-cultural validity / measurement invariance",
    "reliability": "reliability",
    "measurement_error": "measurement error",
    "criterion_validity": "criterion validity",
    "hypotheses_testing": "hypotheses testing for construct validity",
    "responsiveness": "responsiveness",
    "interpretability": "interpretability (beside: no measurement property)",
}


def measurement_properties(
    *,
    content_validity: Finding | None = None,
    structural_validity: Finding | pd.Series | None = None,
    internal_consistency: Finding | Reliability | None = None,
    cross_cultural_validity: Finding | None = None,
    reliability: Finding | Retest | None = None,
    measurement_error: Finding | None = None,
    criterion_validity: Finding | None = None,
    hypotheses_testing: Finding | HypothesisTests | None = None,
    responsiveness: Finding | Responsiveness | None = None,
    interpretability: Finding | None = None,
) -> Result:
    """List every measurement property of COSMIN, with what was found or that it was not assessed.

    Parameters
    ----------
    content_validity, structural_validity, internal_consistency, cross_cultural_validity, reliability, measurement_error, \
criterion_validity, hypotheses_testing, responsiveness, interpretability : Finding or result, optional
        A `Finding` of one's own, or a result that is rated here: the fit of a confirmatory model (Series with
        cfi, tli, rmsea, srmr), `Reliability`, `Retest`, `HypothesisTests`, `Responsiveness`. Measurement error is
        rated from ``reliability`` and ``responsiveness`` where both are results and nothing else is given.

    Returns
    -------
    Result
        ``table`` has the index ``property``: ``rating`` ("+" sufficient, "−" insufficient, "?" indeterminate, "not
        assessed"), ``finding``, ``criterion``.

    Raises
    ------
    ValueError
        For a result that does not belong to its property.

    Notes
    -----
    Properties and criteria: Mokkink et al. (2018), Prinsen et al. (2018). They are for one study here; COSMIN rates a
    body of evidence and its risk of bias, which no software can. Ratings go by the estimate, as the criteria do.

    Examples
    --------
    >>> found = measurement_properties(content_validity=Finding(
    ...     rating="?", finding="Experts rated the items once.", criterion="Terwee et al. (2018)"))
    >>> found.table["rating"].value_counts().to_dict()
    {'not assessed': 9, '?': 1}
    """
    if measurement_error is None and isinstance(reliability, Retest):
        measurement_error = _rate_error(reliability, responsiveness)
    given: dict[str, Any] = {
        "content_validity": content_validity,
        "structural_validity": structural_validity,
        "internal_consistency": internal_consistency,
        "cross_cultural_validity": cross_cultural_validity,
        "reliability": reliability,
        "measurement_error": measurement_error,
        "criterion_validity": criterion_validity,
        "hypotheses_testing": hypotheses_testing,
        "responsiveness": responsiveness,
        "interpretability": interpretability,
    }
    # Internal consistency is only interpretable for a scale of one dimension.
    one_dimension = isinstance(structural_validity, pd.Series) and _rate_fit(structural_validity).rating == "+"
    one_dimension |= isinstance(structural_validity, Finding) and structural_validity.rating == "+"
    rows = {}
    for name, label in _PROPERTIES.items():
        finding = _rated(name, given[name], one_dimension)
        rows[label] = (
            [NOT_ASSESSED, NOT_ASSESSED, ""]
            if finding is None
            else [finding.rating, finding.finding, finding.criterion]
        )
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["rating", "finding", "criterion"])
    missing = int((table["rating"] == NOT_ASSESSED).sum())
    return Result(
        title="Measurement properties",
        table=table.rename_axis("property"),
        method="Properties as COSMIN defines them (Mokkink et al., 2018), rated for this study alone by the criteria named in "
        "each row (Prinsen et al., 2018), by the estimate.",
        notes=(
            f"{missing} of {len(table)} rows were not assessed. A rating is a statement about one study of a version of the "
            "questionnaire; it does not make the questionnaire valid.",
        ),
    )


def _rated(name: str, given: Any, one_dimension: bool) -> Finding | None:
    if given is None or isinstance(given, Finding):
        return given
    if name == "structural_validity" and isinstance(given, pd.Series):
        return _rate_fit(given)
    if name == "internal_consistency" and isinstance(given, Reliability):
        return _rate_consistency(given, one_dimension)
    if name == "reliability" and isinstance(given, Retest):
        return _rate_retest(given)
    if name == "hypotheses_testing" and isinstance(given, HypothesisTests):
        return _rate_hypotheses(given)
    if name == "responsiveness" and isinstance(given, Responsiveness):
        return _rate_responsiveness(given)
    raise ValueError(f"{name} cannot be rated from a {type(given).__name__}: give a Finding")


def _rate_fit(fit: pd.Series) -> Finding:
    """Rate the robust version of each index where there is one, else the scaled, else the plain."""
    known: dict[str, float] = {}
    words = []
    for measure in ("cfi", "tli", "rmsea", "srmr"):
        kinds = [kind for kind in ("_robust", "_scaled", "") if pd.notna(fit.get(f"{measure}{kind}"))]
        if kinds:
            known[measure] = float(fit[f"{measure}{kinds[0]}"])
            kind = kinds[0].removeprefix("_")
            words.append(f"{kind} {measure.upper()} {known[measure]:.3f}".strip())
    if not known:
        raise ValueError(
            "structural_validity needs a Series with cfi, tli, rmsea or srmr, such as the `fit` of a confirmatory model"
        )
    criterion = f"CFI or TLI > .95, or RMSEA < .06, or SRMR < .08: {_PRINSEN}"
    if fit.get("df") == 0:
        return Finding(
            rating="?", finding="The model has 0 degrees of freedom: its fit cannot be judged.", criterion=criterion
        )
    good = max(known.get("cfi", 0), known.get("tli", 0)) > 0.95
    good = good or known.get("rmsea", 1) < 0.06 or known.get("srmr", 1) < 0.08
    return Finding(
        rating="+" if good else "−",
        finding=f"Confirmatory model: {', '.join(words)}; the criteria were made for maximum likelihood.",
        criterion=criterion,
    )


def _rate_consistency(found: Reliability, one_dimension: bool) -> Finding:
    alpha = found.table.loc["alpha"]
    enough = alpha["estimate"] >= 0.70
    rating: Rating = "?" if not one_dimension else "+" if enough else "−"
    words = (
        "" if one_dimension else " That the scale has one dimension was not shown, without which alpha cannot be read."
    )
    return Finding(
        rating=rating,
        finding=f"Alpha {_with_interval(alpha)}, n = {alpha['n']:.0f}.{words}",
        criterion=f"alpha ≥ .70 for a scale with sufficient structural validity: {_PRINSEN}",
    )


def _rate_retest(found: Retest) -> Finding:
    icc = found.table.iloc[0]
    return Finding(
        rating="+" if icc["estimate"] >= 0.70 else "−",
        finding=f"ICC for {str(icc.name).removeprefix('icc_')} {_with_interval(icc)}, n = {icc['n']:.0f}.",
        criterion=f"ICC ≥ .70: {_PRINSEN}",
    )


def _rate_error(found: Retest, changed: Finding | Responsiveness | None) -> Finding:
    sdc = found.measurement_error.loc["sdc_individual"]
    criterion = f"smallest detectable change < minimal important change: {_PRINSEN}"
    words = f"Smallest detectable change {sdc['estimate']:.3g} ({sdc['ci_low']:.3g} to {sdc['ci_high']:.3g})"
    if not isinstance(changed, Responsiveness):
        return Finding(rating="?", finding=f"{words}; no minimal important change is known.", criterion=criterion)
    mic = changed.table.iloc[0]
    return Finding(
        rating="+" if sdc["estimate"] < mic["estimate"] else "−",
        finding=f"{words}, minimal important change {mic['estimate']:.3g} ({mic['ci_low']:.3g} to {mic['ci_high']:.3g}).",
        criterion=criterion,
    )


def _rate_hypotheses(found: HypothesisTests) -> Finding:
    share, cautious = found.share.loc["by_estimate"], found.share.loc["by_interval"]
    return Finding(
        rating=_share_rating(share),
        finding=f"{share['met']:.0f} of {share['n']:.0f} assessed hypotheses met by the estimate, {cautious['met']:.0f} by "
        f"the interval; {share['not_assessed']:.0f} stated ones not assessed.",
        criterion=_COSMIN_SHARE,
    )


def _rate_responsiveness(found: Responsiveness) -> Finding:
    auc = found.table.loc["auc"]
    r = found.table.loc["anchor_correlation", "estimate"]
    return Finding(
        rating="+" if auc["estimate"] >= 0.70 else "−",
        finding=f"Change told improved people from others with an AUC of {_with_interval(auc)}; it correlates {_r(r)} with "
        "the rating.",
        criterion=f"AUC ≥ .70: {_PRINSEN}",
    )


def _with_interval(row: pd.Series) -> str:
    return f"{_r(row['estimate'])} ({_r(row['ci_low'])} to {_r(row['ci_high'])})"
