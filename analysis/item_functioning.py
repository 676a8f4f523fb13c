"""Items that work differently in groups: people of equal trait who answer them differently."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from scipy import special, stats

from analysis.graded import Codes, Curves, Matrix, expected_scores, fit_graded, log_difference
from analysis.multiplicity import holm
from analysis.ordinal import ordered_answers
from analysis.result import Result
from analysis.sentences import listed

# Jodoin & Gierl (2001): change of Nagelkerke's R² from which a difference is moderate, and large.
_MODERATE, _LARGE = 0.035, 0.070
# A coefficient of a logistic model beyond this is on its way to infinity.
_SEPARATED = 50.0
_Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ItemFunctioning(Result):
    """Items on which people of equal trait answer differently in different groups.

    Parameters
    ----------
    tests : pandas.DataFrame
        Index ``item, test`` (``uniform``, ``non_uniform``, ``total``): likelihood-ratio ``statistic``, ``df``,
        ``p``, ``p_adjusted`` (Holm over items), and the change of ``mcfadden`` and ``nagelkerke`` R².
    coefficients : pandas.DataFrame
        Index ``item, group``: log odds of a higher answer against the reference group at equal trait
        (``estimate``, from the uniform model), ``se``, interval, ``odds_ratio``; ``slope_difference`` (with
        ``slope_se``) from the non-uniform model.
    score_differences : pandas.DataFrame
        Index ``item, group``: what the difference does to the item's score, see `item_functioning`.
    scale_differences : pandas.DataFrame
        Index ``items, group``: the same summed over items (``flagged``, ``all``).
    anchors : tuple
        Items that link the groups: those not set apart, all, or the given ones.
    purification : pandas.DataFrame
        Index ``round``: ``n_flagged``, ``flagged`` and the items that were kept ``apart`` from the matching score.
    matching : pandas.Series
        By response: the score on which people were matched.
    """

    tests: pd.DataFrame
    coefficients: pd.DataFrame
    score_differences: pd.DataFrame
    scale_differences: pd.DataFrame
    anchors: tuple[Any, ...]
    purification: pd.DataFrame
    matching: pd.Series


def item_functioning(
    items: pd.DataFrame,
    groups: pd.Series,
    *,
    method: Literal["logistic"] = "logistic",
    matching: Literal["trait", "total"] = "trait",
    anchors: Literal["purified", "all"] | Sequence[object] = "purified",
    reference: object = None,
    alpha: float = 0.05,
    least_effect: float = _MODERATE,
    people_per_group: int = 200,
    answers_per_category: int = 5,
) -> ItemFunctioning:
    """Find items that people of equal trait answer differently in different groups, and what that does to scores.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item: whole numbers that stand for ordered categories, keyed in one direction.
    groups : pandas.Series
        By response, the same index: two groups or more.
    method : {"logistic"}
        Ordinal logistic regression of each item on the matching score, the group, and both.
    matching : {"trait", "total"}
        Expected trait scores of a graded response model (as lordif: Choi, Gibbons & Crane, 2011), which allow
        gaps, or the sum of the anchors and the tested item, of responses without gaps.
    anchors : {"purified", "all"} or sequence
        Items that link the groups: found by purification, all, or the given ones (which are then not tested).
    reference : label
        Group with which the others are compared; the first in order if None.
    alpha : float
        Of the Holm-adjusted total test, from which an item is flagged.
    least_effect : float
        Change of Nagelkerke's R² from which purification sets a flagged item apart: Jodoin and Gierl's (2001) .035, under
        which a difference is negligible. With 0 it goes by significance alone.
    people_per_group : int
        Fewest people a group.
    answers_per_category : int
        Categories with fewer answers in any group are joined with a neighbour in all groups.

    Returns
    -------
    ItemFunctioning
        ``table`` has the index ``item``: total test (``statistic``, ``df``, ``p``, ``p_adjusted``),
        ``effect_size`` (change of Nagelkerke's R²), ``flagged`` and ``verdict``.

    Raises
    ------
    ValueError
        As `graded_response`; also for too few people in a group, groups that do not belong to the responses,
        an item without two categories common to all groups, or unknown anchors.

    Notes
    -----
    Three nested proportional-odds models: score; score and groups (uniform); and their products (non-uniform)
    (Swaminathan & Rogers, 1990; French & Miller, 1996; Zumbo, 1999). Purification: all items are tested; of
    those flagged whose change of R² reaches ``least_effect`` the clearest gets curves by group in the matching
    model (or leaves the sum), those that no longer differ so come back, and all are tested again, until the set
    stays the same (or one comes back that was tried). By size too, since among enough people every item differs
    significantly, by amounts that hardly move the matching score; in a short scale an item's own share in that
    score hides a part of its size. One at a time, since an item that differs makes others seem to differ the other
    way (Kopf, Zeileis & Strobl, 2015). If all differ so, the item with the smallest change of R² is kept as the
    link, with a note. The tested item is part of its own matching score: without it, groups that differ in trait
    seem to differ on every item (Zwick, 1990); log odds at equal score are therefore a little larger (about a
    tenth) than at equal trait. Size: Jodoin & Gierl (2001).

    Differences in score: expected item score of each group's people under their own and under the
    reference group's curve (non-uniform model), own minus reference: ``signed`` mean, mean ``unsigned`` size and
    ``largest``, in answer units, and ``essd``, signed over the pooled standard deviation of the expected scores
    (Meade, 2010).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> group = pd.Series(np.repeat(["ours", "theirs"], 300))
    >>> liking = 1.5 * rng.normal(size=(600, 1)) + rng.logistic(size=(600, 6))
    >>> liking[300:, 0] += 1.5  # the first item is easier for the others to agree with
    >>> answers = pd.DataFrame(np.digitize(liking, [-1, 1]), columns=list("abcdef"))
    >>> item_functioning(answers, group).table["flagged"].to_dict()
    {'a': True, 'b': False, 'c': False, 'd': False, 'e': False, 'f': False}
    """
    if method != "logistic":
        raise ValueError(f"method must be 'logistic', got {method!r}")
    if matching not in ("trait", "total"):
        raise ValueError(f"matching must be 'trait' or 'total', got {matching!r}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    if not 0 <= least_effect < 1:
        raise ValueError(f"least_effect must be a change of R² from 0 to below 1, got {least_effect}")
    if people_per_group < 30 or answers_per_category < 1:
        raise ValueError(
            f"people_per_group must be at least 30 and answers_per_category at least 1, got {people_per_group} and "
            f"{answers_per_category}"
        )
    given = None if isinstance(anchors, str) else list(anchors)
    if given is None and anchors not in ("purified", "all"):
        raise ValueError(f"anchors must be 'purified', 'all' or items, got {anchors!r}")
    if given is not None:
        if unknown := [name for name in given if name not in items.columns]:
            raise ValueError(f"anchors that are no items: {listed(unknown)}; the items are {listed(items.columns)}")
        if not given or len(given) == items.shape[1]:
            raise ValueError(f"give at least one anchor and leave at least one item to test, got {len(given)} anchors")
    answers, group, labels, notes = _grouped(items, groups, people_per_group, complete=matching == "total")
    if reference is not None:
        if reference not in labels:
            raise ValueError(f"reference {reference!r} is no group: {listed(labels)}")
        first = labels.index(reference)
        order = [first, *(k for k in range(len(labels)) if k != first)]
        group = np.argsort(order)[group].astype(np.intp)
        labels = [labels[k] for k in order]
    joined, scores, joined_notes = _shared_categories(answers, group, labels, answers_per_category)
    dummies = np.eye(len(labels))[group][:, 1:]
    tested = [name for name in items.columns if given is None or name not in given]

    def compare(split: Sequence[object]) -> tuple[dict[object, _Compared], dict[object, Matrix]]:
        """Test items, matched on a score in which the groups share all but the split items."""
        links = [name for name in items.columns if name not in split]
        trait = _matched_on_trait(joined, group, labels, split) if matching == "trait" else None
        found, matched = {}, {}
        for name in tested:
            score = _matched_on_total(answers, links, name) if trait is None else trait
            known = joined[name].notna().to_numpy()
            found[name] = _compared(joined[name].to_numpy()[known].astype(np.intp), score[known], dummies[known])
            matched[name] = score
        return found, matched

    split: tuple[object, ...] = () if given is None else tuple(tested)
    tried: list[tuple[object, ...]] = []
    rounds = []
    forced: tuple[str, ...] = ()
    while True:
        compared, matched = compare(split)
        tests = _tests(compared, dummies.shape[1])
        total = tests.xs("total", level="test").loc[tested]
        flagged = tuple(name for name in tested if total.loc[name, "p_adjusted"] <= alpha)
        rounds.append(
            {"n_flagged": len(flagged), "flagged": listed(flagged) or "none", "apart": listed(split) or "none"}
        )
        if anchors != "purified":
            break
        tried.append(split)
        effects = total["nagelkerke"]
        differing = [name for name in flagged if effects[name] >= least_effect]
        still = [name for name in split if name in differing]
        fresh = [name for name in differing if name not in split]
        # Only the clearest: one differing item in the score makes its neighbours seem to differ the other way.
        worst = [max(fresh, key=lambda name: float(total.loc[name, "statistic"]))] if fresh else []
        following = tuple(name for name in tested if name in still or name in worst)
        if len(following) == len(tested):
            link = min(tested, key=lambda name: float(effects[name]))
            following = tuple(name for name in tested if name != link)
            forced = (
                f"All {len(tested)} items differ: {link}, which differs least (change of R² {effects[link]:.3f}), is taken to "
                "link the groups; name `anchors` that mean the same in all groups by their content.",
            )
        if following == split:
            break
        if following in tried:
            notes += (f"Purification came back to an earlier set and stopped after {len(rounds)} rounds.",)
            break
        split = following
    notes += forced
    kept = [name for name in flagged if name not in split and total.loc[name, "nagelkerke"] < least_effect]
    if anchors == "purified" and kept:
        notes += (
            f"Flagged but kept among the anchors, since the change of R² is under {least_effect:g}: {listed(kept)}.",
        )
    if anchors == "purified" and len(split) > len(tested) / 2:
        notes += (
            "Fewer than half of the items link the groups: which items differ and which link is then a choice; name "
            "`anchors` by their content.",
        )
    if min(np.bincount(group)) < 200:
        notes += ("Fewer than 200 people in a group: many differences go unseen (Scott et al., 2009).",)
    differences, scale = _score_differences(compared, matched, scores, group, labels, flagged)
    score = matched[tested[0]] if matching == "trait" else answers.sum(axis=1).to_numpy()
    links = tuple(name for name in items.columns if name not in split)
    linking = {
        "purified": f"anchors purified one item at a time (flagged, and a change of R² of {least_effect:g} or more)",
        "all": "all items as anchors",
    }.get(str(anchors), f"anchors {listed(given or ())}")
    return ItemFunctioning(
        title="Differential item functioning",
        table=_verdicts(tests, tested, flagged, alpha),
        method="Ordinal logistic regression of each item on the matching score, the group and their product "
        "(Swaminathan & Rogers, 1990; French & Miller, 1996; Zumbo, 1999), likelihood-ratio tests with Holm's correction "
        f"over {len(tested)} items (α = {alpha:g}); matched on "
        + (
            "expected trait scores of a graded response model (Choi, Gibbons & Crane, 2011)"
            if matching == "trait"
            else "the sum of the anchors and the tested item"
        )
        + f"; {linking}; reference group {labels[0]}; {len(answers)} people. Effect size: change of Nagelkerke's R² "
        "between the first and the third model.",
        notes=(
            *notes,
            *joined_notes,
            f"Sizes are those of Jodoin & Gierl (2001): change of R² under {_MODERATE} negligible, from {_LARGE} large.",
            "That no difference is shown is no proof of equality.",
        ),
        tests=tests,
        coefficients=_coefficients(compared, labels),
        score_differences=differences,
        scale_differences=scale,
        anchors=links,
        purification=pd.DataFrame(
            rounds,
            index=pd.RangeIndex(1, len(rounds) + 1, name="round"),
        ),
        matching=pd.Series(score, index=answers.index, name=matching),
    )


# --- who is compared, on which categories ----------------------------------------------------------------------------


def _grouped(
    items: pd.DataFrame, groups: pd.Series, people: int, *, complete: bool
) -> tuple[pd.DataFrame, Codes, list[Any], tuple[str, ...]]:
    """Return the checked answers of people with a group, each one's group as a number, and the groups' names."""
    if not isinstance(groups, pd.Series) or not groups.index.equals(items.index):
        raise ValueError("groups must be a Series with the same index as the items: one group for each response")
    answers = ordered_answers(items, at_least=3)
    known = answers.notna().to_numpy()
    stays = groups.notna().to_numpy() & (known.all(axis=1) if complete else known.any(axis=1))
    notes: tuple[str, ...] = ()
    if not stays.all():
        count = int((~stays).sum())
        why = "a group or without all answers (listwise)" if complete else "a group or any answer"
        notes = (f"{count} of {len(items)} responses without {why} {'is' if count == 1 else 'are'} left out.",)
    answers = answers[stays]
    codes, found = pd.factorize(groups[stays], sort=True)
    labels = list(found)
    sizes = np.bincount(codes, minlength=len(labels))
    if len(labels) < 2:
        raise ValueError(f"at least 2 groups are needed, got {len(labels)}: there is nothing to compare")
    small = [f"{label} ({size})" for label, size in zip(labels, sizes, strict=True) if size < people]
    if small:
        raise ValueError(
            f"each group needs {people} people or more, too few in {', '.join(small)}: with fewer than 200 a group "
            "differences of this kind are mostly missed (Scott et al., 2009); join groups, or lower `people_per_group` and "
            "read 'no difference shown' as 'not known'"
        )
    notes += ("People by group: " + ", ".join(f"{a} {b}" for a, b in zip(labels, sizes, strict=True)) + ".",)
    return answers, np.asarray(codes, dtype=np.intp), labels, notes


def _shared_categories(
    answers: pd.DataFrame, group: Codes, labels: Sequence[object], fewest: int
) -> tuple[pd.DataFrame, dict[object, Matrix], tuple[str, ...]]:
    """Join categories, alike in all groups, until each is used often enough in each group.

    Returns the answers as 0, 1, …, the score that each joined category stands for, and a note. The rarest
    category goes to the neighbour with fewer answers, again and again.
    """
    joined, scores, lines = {}, {}, []
    for name in answers.columns:
        codes, used = pd.factorize(answers[name], sort=True)
        known = codes >= 0
        counts = np.zeros((len(used), len(labels)))
        np.add.at(counts, (codes[known], group[known]), 1)
        parts = [[k] for k in range(len(used))]
        while len(parts) > 1:
            cells = np.array([counts[part].sum(axis=0) for part in parts])
            rare = int(np.argmin(cells.min(axis=1)))
            if cells[rare].min() >= fewest:
                break
            beside = [k for k in (rare - 1, rare + 1) if 0 <= k < len(parts)]
            other = min(beside, key=lambda k: float(cells[k].sum()))
            low = min(rare, other)
            parts[low : low + 2] = [parts[low] + parts[low + 1]]
        if len(parts) < 2:
            thin = [str(labels[k]) for k in np.flatnonzero((counts >= fewest).sum(axis=0) < 2).tolist()] or [
                "some group"
            ]
            raise ValueError(
                f"{name} cannot be compared: no two categories have {fewest} answers or more in every group (too few "
                f"in {', '.join(thin)}); leave it out (`items.drop(columns=…)`) or use more people"
            )
        place = np.empty(len(used))
        for number, part in enumerate(parts):
            place[part] = number
        joined[name] = np.where(known, place[codes], np.nan)
        weights = counts.sum(axis=1)
        scores[name] = np.array([np.average(np.asarray(used)[part], weights=weights[part]) for part in parts])
        together = ["+".join(f"{used[k]:g}" for k in part) for part in parts if len(part) > 1]
        if together:
            lines.append(f"{name}: {', '.join(together)}")
    notes: tuple[str, ...] = ()
    if lines:
        notes = (
            f"Categories with fewer than {fewest} answers in a group are joined with a neighbour, alike in all groups "
            f"({'; '.join(lines)}).",
        )
    return pd.DataFrame(joined, index=answers.index), scores, notes


# --- on what people are matched --------------------------------------------------------------------------------------


def _matched_on_trait(answers: pd.DataFrame, group: Codes, labels: Sequence[object], split: Sequence[object]) -> Matrix:
    """Return expected trait scores from a graded response model in which some items have curves by group."""
    columns: dict[str, Any] = {}
    for name in answers.columns:
        if name not in split:
            columns[str(name)] = answers[name]
            continue
        for number, label in enumerate(labels):
            columns[f"{name} [{label}]"] = answers[name].where(group == number)
    frame = pd.DataFrame(columns, index=answers.index)
    model, patterns = fit_graded(frame, points=61, tolerance=1e-5)
    return np.asarray(expected_scores(model, patterns, frame)["estimate"])


def _matched_on_total(answers: pd.DataFrame, anchors: Sequence[object], item: object) -> Matrix:
    """Return the standardised sum of the anchors and the item itself."""
    total = answers[list(dict.fromkeys([*anchors, item]))].sum(axis=1).to_numpy()
    return np.asarray((total - total.mean()) / total.std())


# --- the models of an item -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Logit:
    """A proportional-odds model: logit of category k or higher = intercept k + design × coefficients."""

    loglik: float
    intercepts: Matrix
    coefficients: Matrix
    covariance: Matrix


def _ordered_logit(codes: Codes, design: Matrix, start: Matrix | None = None) -> _Logit:
    """Fit a proportional-odds model (McCullagh, 1980) by Newton's method.

    ``codes`` are 0, 1, … with every category in use; ``covariance`` is that of all parameters, intercepts first.
    ``start`` holds intercepts, then coefficients of the first columns of the design.
    """
    steps = int(codes.max())
    people, columns = design.shape
    size = steps + columns
    parameters = np.zeros(size)
    if start is None:
        share = np.bincount(codes, minlength=steps + 1)[::-1].cumsum()[::-1][1:] / people
        parameters[:steps] = special.logit(share)
    else:
        parameters[: len(start)] = start
    marks = np.zeros((steps + 2, steps))
    marks[1:-1] = np.eye(steps)
    above = np.hstack([marks[codes], design])
    below = np.hstack([marks[codes + 1], design])
    lowest, highest = codes == 0, codes == steps

    def logits_at(values: Matrix) -> Curves:
        return log_difference(np.where(lowest, np.inf, above @ values), np.where(highest, -np.inf, below @ values))

    curves = logits_at(parameters)
    for _ in range(100):
        gradient = above.T @ curves.by_above + below.T @ curves.by_below
        cross = above.T @ (curves.above_below[:, None] * below)
        information = -(
            above.T @ (curves.above_above[:, None] * above)
            + below.T @ (curves.below_below[:, None] * below)
            + cross
            + cross.T
        )
        step = np.linalg.solve(information, gradient)
        if np.abs(step).max() < 1e-9:
            break
        length, reached = 1.0, curves.log.sum()
        while True:
            proposal = parameters + length * step
            if (np.diff(proposal[:steps]) < 0).all():
                curves = logits_at(proposal)
                if curves.log.sum() >= reached - 1e-9 * abs(reached):
                    break
            length /= 2
            if length < 1e-10:
                raise ValueError("an ordinal logistic model did not converge: use more people or join categories")
        parameters = proposal
        if np.abs(parameters[steps:]).max() > _SEPARATED:
            raise ValueError(
                "an ordinal logistic model has no finite estimate: the score separates the answers; use more people or "
                "join categories"
            )
    return _Logit(float(curves.log.sum()), parameters[:steps], parameters[steps:], np.linalg.inv(information))


@dataclass(frozen=True, slots=True)
class _Compared:
    """One item's three nested models: score alone, and groups, and groups × score."""

    null: float
    n: int
    models: tuple[_Logit, _Logit, _Logit]

    def r_squared(self, which: int) -> tuple[float, float]:
        """McFadden's and Nagelkerke's R² of a model."""
        found = self.models[which].loglik
        most = -np.expm1(2 * self.null / self.n)
        return 1 - found / self.null, float(-np.expm1(2 * (self.null - found) / self.n) / most)


def _compared(codes: Codes, score: Matrix, dummies: Matrix) -> _Compared:
    counts = np.bincount(codes)
    columns = np.column_stack([score, dummies, score[:, None] * dummies])
    extra = dummies.shape[1]
    models: list[_Logit] = []
    start = None
    for width in (1, 1 + extra, 1 + 2 * extra):
        models.append(_ordered_logit(codes, columns[:, :width], start))
        start = np.concatenate([models[-1].intercepts, models[-1].coefficients])
    null = float((counts * np.log(counts / counts.sum())).sum())
    return _Compared(null, len(codes), (models[0], models[1], models[2]))


def _tests(compared: dict[object, _Compared], extra: int) -> pd.DataFrame:
    rows = {}
    for name, each in compared.items():
        for test, (small, large, df) in {
            "uniform": (0, 1, extra),
            "non_uniform": (1, 2, extra),
            "total": (0, 2, 2 * extra),
        }.items():
            statistic = max(2 * (each.models[large].loglik - each.models[small].loglik), 0.0)
            change = np.subtract(each.r_squared(large), each.r_squared(small))
            rows[name, test] = (statistic, df, float(stats.chi2.sf(statistic, df)), *change, each.n)
    table = pd.DataFrame.from_dict(
        rows, orient="index", columns=["statistic", "df", "p", "mcfadden", "nagelkerke", "n"]
    )
    table.index = pd.MultiIndex.from_tuples(table.index, names=["item", "test"])
    adjusted = table.groupby(level="test")["p"].transform(holm)
    table.insert(3, "p_adjusted", adjusted)
    return table


# --- what the tables say ---------------------------------------------------------------------------------------------


def _verdicts(tests: pd.DataFrame, tested: Sequence[object], flagged: Sequence[object], alpha: float) -> pd.DataFrame:
    total = tests.xs("total", level="test").loc[list(tested)]
    bent = tests.xs("non_uniform", level="test").loc[list(tested), "p_adjusted"] <= alpha
    words = []
    for name in tested:
        if name not in flagged:
            words.append("no difference shown")
            continue
        change = total.loc[name, "nagelkerke"]
        size = "negligible" if change < _MODERATE else "moderate" if change < _LARGE else "large"
        words.append(f"{'non-uniform' if bent[name] else 'uniform'}, {size}")
    table = total[["statistic", "df", "p", "p_adjusted"]].assign(effect_size=total["nagelkerke"], n=total["n"])
    table["flagged"] = [name in flagged for name in tested]
    table["verdict"] = words
    return table.rename_axis("item")


def _coefficients(compared: dict[object, _Compared], labels: Sequence[object]) -> pd.DataFrame:
    rows, index = [], []
    extra = len(labels) - 1
    for name, each in compared.items():
        uniform, bent = each.models[1], each.models[2]
        for number, label in enumerate(labels[1:]):
            estimate = uniform.coefficients[1 + number]
            se = np.sqrt(np.diag(uniform.covariance)[len(uniform.intercepts) + 1 + number])
            slope = 1 + extra + number
            slope_se = np.sqrt(np.diag(bent.covariance)[len(bent.intercepts) + slope])
            interval = (estimate, se, estimate - _Z * se, estimate + _Z * se)
            rows.append((*interval, np.exp(estimate), bent.coefficients[slope], slope_se))
            index.append((name, label))
    columns = ["estimate", "se", "ci_low", "ci_high", "odds_ratio", "slope_difference", "slope_se"]
    return pd.DataFrame(rows, columns=columns, index=pd.MultiIndex.from_tuples(index, names=["item", "group"]))


def _score_differences(
    compared: dict[object, _Compared],
    matched: dict[object, Matrix],
    scores: dict[object, Matrix],
    group: Codes,
    labels: Sequence[object],
    flagged: Sequence[object],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what each item's difference, and that of several together, does to expected scores."""
    extra = len(labels) - 1
    rows, index = [], []
    nothing: tuple[float, Matrix] = (0.0, np.zeros(1))
    sums: dict[tuple[str, object], tuple[float, Matrix]] = {}
    for name, each in compared.items():
        model = each.models[2]
        for number, label in enumerate(labels[1:], start=1):
            trait = matched[name][group == number]
            slope, shift = model.coefficients[0], model.coefficients[number]
            tilt = model.coefficients[extra + number]

            def expected(logit: Matrix, model: _Logit = model, values: Matrix = scores[name]) -> Matrix:
                reached = special.expit(logit[:, None] + model.intercepts)
                return np.asarray(values[0] + reached @ np.diff(values))

            own, other = expected(shift + (slope + tilt) * trait), expected(slope * trait)
            apart = own - other
            pooled = np.sqrt((own.var() + other.var()) / 2)
            rows.append(
                (apart.mean(), np.abs(apart).mean(), apart[np.argmax(np.abs(apart))], apart.mean() / pooled, len(apart))
            )
            index.append((name, label))
            for kind in ("flagged", "all"):
                if kind == "all" or name in flagged:
                    before = sums.get((kind, label), nothing)
                    sums[kind, label] = (before[0] + float(np.abs(apart).mean()), before[1] + apart)
    by_item = pd.DataFrame(
        rows,
        columns=["signed", "unsigned", "largest", "essd", "n"],
        index=pd.MultiIndex.from_tuples(index, names=["item", "group"]),
    )
    lines = {}
    for kind in ("flagged", "all"):
        for label in labels[1:]:
            unsigned, summed = sums.get((kind, label), nothing)
            lines[kind, label] = (
                float(summed.mean()),
                float(np.abs(summed).mean()),
                float(summed[np.argmax(np.abs(summed))]),
                unsigned,
            )
    scale = pd.DataFrame.from_dict(
        lines, orient="index", columns=["signed", "unsigned", "largest", "without_cancelling"]
    )
    scale.index = pd.MultiIndex.from_tuples(scale.index, names=["items", "group"])
    return by_item, scale
