"""Writes docs/simulations.md from the stored sums."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.simulations.counting import Condition, Estimate, Measure, by_part, overall, share, verdict

FAMILIES = {
    "moments": (
        "Thresholds and polychoric correlations",
        "All six items are cut alike. A threshold next to an answer that nobody gave does not count.",
    ),
    "models": (
        "Confirmatory models",
        "For WLSMV the truth is the population's own loadings. ML and MLR take the answers 1 to 5 for numbers; no factor "
        "model holds exactly for these, so their truth is what the estimates converge to, which lies below the loadings of "
        "the variables behind the answers. ML supposes normal answers and is published to show what it does "
        "without them. The test is promised for WLSMV with three factors (else it equals lavaan's, see below).",
    ),
    "ladders": (
        "Invariance",
        "Both groups come from one population, so that whatever is found is an error; with planted differences it is power. "
        "A step that restricts nothing in a sample does not count. Answers that a group never gave are joined, as always. "
        "Holm's correction is an upper bound: its rate may be lower than 5 %. ΔCFI and ΔRMSEA are published, not "
        "promised: they are no verdict here.",
    ),
    "reliability": (
        "Reliability",
        "The truth is a property of the answers 1 to 5 in the population, computed by integrals of the bivariate normal "
        "distribution; of ordinal alpha, of the variables behind them; of Schmid–Leiman omegas and of omega what "
        "estimates converge to. Exempt and published: Feldt's interval with skewed answers (which is why `alpha_robust` is "
        "there), best and worst split half (chosen for their value), hierarchical omega.",
    ),
    "retest": ("Test and retest", "Normal scores of two occasions, variance .75 of people and .25 of error."),
    "responses": (
        "Graded responses and item functioning",
        "Normal intervals of slopes and locations are for larger samples: they are promised from 300 people. Where an answer "
        "to an item was never given, its locations do not count. Groups do not differ in any item.",
    ),
    "gaps": (
        "Missing answers",
        "Two of four items lack answers of half the people who gave a high answer to the first item, and of a tenth of "
        "the others. Complete people alone, for comparison, are biased.",
    ),
    "exploration": (
        "Exploratory factors",
        "Factors are matched with those of the population. On polychoric correlations the truth is the population's own, on "
        "Pearson's what estimates converge to. How often a rule finds the number of factors, MAP among them, is published.",
    ),
    "linking": (
        "Codes that link the waves",
        "Codes of six letters, as frequent as in the sample data; another person's letter stands in the place of 3 to 8 % of the "
        "second time's elements, and 2 % are unknown. Each team is an organisation of its own. Under 1 % false links are "
        "promised at half overlap in teams and pools to 100, and wherever the second step is taken only where it is safe; and "
        "that the mean estimated share of false links is half to twice the realised one.",
    ),
    "planning": (
        "Planning",
        "The true change is as large as the detectable difference that planning stated for a power of 80 %.",
    ),
    "change": (
        "Before and after",
        "Scores of people in teams and organisations that drift from wave to wave (team × wave 2 %, organisation × wave 1.5 % of "
        "the variance before measurement error), some of them linked; the others are other people. Nothing changed unless "
        "stated, so that better or worse is said in error: in at most 5 % of samples. The test is the primary one of "
        "`compare_waves`, which stands at the end of each line. What other tests would say is published without a promise: a "
        "threshold for one person's measurement error (C11) used as a test of a team, and the mixed model without team × wave.",
    ),
}
HEAD = """# Truth by simulation

Do intervals hold the truth 95 times in 100, and do tests raise a false alarm 5 times in 100? Data were drawn from
populations whose values are known, with five answers, roughly symmetric (7, 24, 38, 24 and 7 in a hundred people) or
skewed (2, 5, 13, 30 and 50), and analysed as a user would. `make simulations` goes on where the stored
numbers stop and rewrites this page; `make test` repeats a small part. Raw sums and the seed stand in
`tests/simulations/results.json`.
"""
READING = """
## How to read the tables

- **Value**: the mean over replications (and over parameters, where there are several: then the lowest and highest
  parameter stand in brackets). **Monte Carlo interval**: how far chance in these draws may have moved it (95 %).
- **Holds / does not hold**: 95 % intervals are to cover in 93 to 97 % of samples, tests of single steps and items to
  reject in 3 to 7 %, families of tests (Holm) in at most 7 %, the test of a true model in 3 to 6 %. Something does not
  hold if the Monte Carlo interval lies outside wholly, of the mean or (with Bonferroni's correction) of any one parameter.
  While the interval is wider than the promised range, there are **too few draws** to say. **Published only**: no
  promise was made.
- **Draws**: replications; in brackets those in which the analysis refused the sample and said why.

## What this does not show

That real answers come from such populations: nothing here has unequal items, team effects, careless
people or wrong models, and all variables behind the answers are normal. The populations are few; another may do worse.
Rates were measured with the versions of the code that ran then: after a change of a method its rows are run again
(`--only NAME --again`). The questionnaire is a draft that has not been validated: this page is about
methods, not about what its scores mean.
"""


# How far the estimated share of false links may be from the realised one.
_LEAST_RATIO, _MOST_RATIO = 0.5, 2.0


def _percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _number(value: float) -> str:
    # Without a minus before zero.
    return f"{value:+.3f}".replace("-", "−") if abs(value) >= 5e-4 else "0.000"


def _value(measure: Measure, found: Estimate, parts: list[Estimate]) -> tuple[str, str]:
    say = _number if measure.kind == "error" else _percent
    text = say(found.value)
    if len(parts) > 1:
        values = [each.value for each in parts]
        text += f" ({say(min(values))} to {say(max(values))})"
    return text, f"{say(found.low)} to {say(found.high)}"


def rows(condition: Condition, known: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Give the rows of a condition: measure, value, interval, verdict."""
    found: list[tuple[str, ...]] = []
    for name, measure in condition.measures.items():
        sums = known["measures"][name]
        if not sums["mean_n"][0]:
            continue
        value, interval = _value(measure, overall(measure, sums), by_part(measure, sums))
        found.append((measure.words, value, interval, verdict(measure, sums)))
    if {"false", "false_estimated"} <= set(condition.measures):
        found += _ratio(condition, known)
    return found


def _ratio(condition: Condition, known: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Compare the mean estimated share of false links with the mean realised one: promised within half and twice."""
    estimated, realised = (overall(condition.measures[n], known["measures"][n]) for n in ("false_estimated", "false"))
    if realised.value == 0:
        return []
    low, high = (estimated.value / bound if bound > 0 else float("inf") for bound in (realised.high, realised.low))
    said = "too few draws"
    if low > _MOST_RATIO or high < _LEAST_RATIO:
        said = "does not hold"
    elif low >= _LEAST_RATIO and high <= _MOST_RATIO:
        said = "holds"
    ratio, interval = f"{estimated.value / realised.value:.2f}", f"{low:.2f} to {high:.2f}"
    return [("estimated over realised share of false links", ratio, interval, said)]


def _refusals(refused: Mapping[str, int]) -> list[str]:
    """Say why samples were refused, the commonest reasons first."""
    if not refused:
        return []
    common = sorted(refused.items(), key=lambda each: -each[1])[:3]
    return ["Refused: " + "; ".join(f"{times} × “{reason} …”" for reason, times in common) + ".", ""]


def _family(family: str, conditions: Mapping[str, Condition], stored: Mapping[str, Any]) -> list[str]:
    title, words = FAMILIES[family]
    lines = [f"## {title}", "", words, ""]
    for name, condition in conditions.items():
        known = stored["conditions"].get(name)
        if condition.family != family or known is None:
            continue
        refused = f" ({sum(known['refused'].values())} refused)" if known["refused"] else ""
        lines += [
            f"**{condition.words[0].upper()}{condition.words[1:]}; n = {condition.n}; {known['draws']} draws{refused}**"
            + (f"; {condition.fixed}" if condition.fixed else ""),
            "",
            "| what | value | Monte Carlo interval | verdict |",
            "|---|---|---|---|",
            *("| " + " | ".join(row) + " |" for row in rows(condition, known)),
            "",
            *_refusals(known["refused"]),
        ]
    return lines if len(lines) > 4 else []


def _lavaan(stored: Mapping[str, Any]) -> list[str]:
    found = stored.get("lavaan")
    if not found:
        return []
    lines = [
        "### The model test beside lavaan",
        "",
        "Three factors, WLSMV, the same draws given to both (`tests/simulations/lavaan_rate.R`).",
        "",
        "| answers | n | draws compared | rejected here | rejected by lavaan | same decision | largest difference of p | "
        "loadings covered here, by lavaan | correlations covered here, by lavaan |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for kind, row in found.items():
        rates = []
        for which in ("rejected", "rejected_lavaan"):
            rate = share(row["compared"], row[which], row[which])
            rates.append(f"{_percent(rate.value)} ({_percent(rate.low)} to {_percent(rate.high)})")
        lines.append(
            f"| {kind} | {row['n']} | {row['compared']} of {row['draws']} | {rates[0]} | {rates[1]} | "
            f"{row['decided_alike']} of {row['compared']} | {row['largest_difference_of_p']:.1e} | "
            + " | ".join(
                f"{_percent(row[f'{what}_covered'])}, {_percent(row[f'{what}_covered_lavaan'])}"
                for what in ("loadings", "correlations")
            )
            + " |"
        )
    versions = {f"R {row['R']}, lavaan {row['lavaan']}" for row in found.values()}
    return [*lines, "", f"{'; '.join(sorted(versions))}.", ""]


def _summary(conditions: Mapping[str, Condition], stored: Mapping[str, Any]) -> list[str]:
    verdicts: list[tuple[str, str]] = []
    for name, condition in conditions.items():
        if known := stored["conditions"].get(name):
            for what, value, interval, said in rows(condition, known):
                place = f"{condition.words}, n = {condition.n}: {what}, {value}; interval {interval}; {known['draws']} draws"
                verdicts.append((said, place))
    failed = [place for said, place in verdicts if said == "does not hold"]
    held, few = (sum(said == which for said, _ in verdicts) for which in ("holds", "too few draws"))
    lines = [
        "## What was found",
        "",
        f"{len(stored['conditions'])} of {len(conditions)} conditions have been run. {held} promises hold, {len(failed)} do "
        f"not, {few} cannot be judged yet (too few draws); {len(verdicts) - held - few - len(failed)} numbers are published "
        "without a promise.",
        "",
    ]
    if failed:
        lines += ["What does not hold:", "", *(f"- {place}" for place in failed), ""]
    return lines


def page(conditions: Mapping[str, Condition], stored: Mapping[str, Any]) -> str:
    """Write the page."""
    lines = [HEAD, *_summary(conditions, stored), READING.strip("\n"), ""]
    for family in FAMILIES:
        lines += _family(family, conditions, stored)
        if family == "models":
            lines += _lavaan(stored)
    return "\n".join(lines).rstrip() + "\n"
