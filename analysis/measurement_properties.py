"""Every measurement property of COSMIN: what was found, and what was not assessed at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd

from analysis.confirmatory import Confirmatory
from analysis.hypotheses import CRITERION, NOT_ASSESSED, HypothesisTests, share_rating
from analysis.invariance import Invariance
from analysis.reliability import Reliability
from analysis.responsiveness import Responsiveness
from analysis.result import Result
from analysis.retest import Retest
from analysis.sentences import correlation_words

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
_ACCEPTED = {
    "structural_validity": ", the result of `confirmatory`, or its `fit`",
    "internal_consistency": " or the result of `reliability`",
    "cross_cultural_validity": " or the result of `invariance`",
    "reliability": " or the result of `retest`",
    "measurement_error": " (or leave it out: it is rated from a result of `retest` given as `reliability`)",
    "hypotheses_testing": " or the result of `hypothesis_tests`",
    "responsiveness": " or the result of `responsiveness`",
}
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
    structural_validity: Finding | Confirmatory | pd.Series | None = None,
    internal_consistency: Finding | Reliability | None = None,
    cross_cultural_validity: Finding | Invariance | None = None,
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
        A `Finding` of one's own, or a result that is rated here: `Confirmatory` or the fit of such a model (Series
        with cfi, tli, rmsea, srmr), `Invariance`, `Reliability`, `Retest`, `HypothesisTests`, `Responsiveness`.
        Measurement error is rated from ``reliability`` and ``responsiveness`` where both are results and nothing else
        is given.

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
    if isinstance(structural_validity, Confirmatory):
        given["structural_validity"] = structural_validity = structural_validity.fit
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
    if name == "cross_cultural_validity" and isinstance(given, Invariance):
        return _rate_invariance(given)
    if name == "internal_consistency" and isinstance(given, Reliability):
        return _rate_consistency(given, one_dimension)
    if name == "reliability" and isinstance(given, Retest):
        return _rate_retest(given)
    if name == "hypotheses_testing" and isinstance(given, HypothesisTests):
        return _rate_hypotheses(given)
    if name == "responsiveness" and isinstance(given, Responsiveness):
        return _rate_responsiveness(given)
    accepted = f"give a Finding{_ACCEPTED.get(name, '')}"
    raise ValueError(f"{name} cannot be rated from a {type(given).__name__}: {accepted}")


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


def _rate_invariance(found: Invariance) -> Finding:
    """Rate the steps' tests: a step that was rejected, also if a part of it held, is a difference that was found."""
    verdicts = found.table["verdict"]
    rejected = [str(step) for step in verdicts.index[verdicts == "rejected"]]
    held = [str(step) for step in verdicts.index[verdicts == "not rejected"]]
    rating: Rating = "−" if rejected else "+" if held else "?"
    words = [
        f"{what}: {', '.join(steps)}"
        for what, steps in (
            ("rejected", rejected),
            ("not rejected", held),
            ("not testable", [str(step) for step in verdicts.index[verdicts == "not testable"]]),
        )
        if steps
    ]
    partial = "; a part of a rejected step may hold (partial invariance)" if rejected else ""
    return Finding(
        rating=rating,
        finding=f"{found.title}; equality of {'; '.join(words) or 'nothing was tested'}{partial}. A difference that is not "
        "shown is no proof of equality.",
        criterion=f"no important differences between groups in multiple-group factor analysis: {_PRINSEN}",
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
        rating=share_rating(share),
        finding=f"{share['met']:.0f} of {share['n']:.0f} assessed hypotheses met by the estimate, {cautious['met']:.0f} by "
        f"the interval; {share['not_assessed']:.0f} stated ones not assessed.",
        criterion=CRITERION,
    )


def _rate_responsiveness(found: Responsiveness) -> Finding:
    auc = found.table.loc["auc"]
    r = found.table.loc["anchor_correlation", "estimate"]
    return Finding(
        rating="+" if auc["estimate"] >= 0.70 else "−",
        finding=f"Change told improved people from others with an AUC of {_with_interval(auc)}; it correlates "
        f"{correlation_words(r)} with the rating.",
        criterion=f"AUC ≥ .70: {_PRINSEN}",
    )


def _with_interval(row: pd.Series) -> str:
    return f"{correlation_words(row['estimate'])} ({correlation_words(row['ci_low'])} to {correlation_words(row['ci_high'])})"
