"""Scores as an R script that needs nothing but R."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from instrument.definition import Instrument
from instrument.formulas.heading import NOT_OVER, TWICE, heading, stamp
from instrument.formulas.terms import ItemMean, Score, ScoreMean, form_scores

RUN_BY = "Run in the tests by R (base packages alone)."

_HOW_TO_RUN = (
    "Run: Rscript THIS_FILE answers.csv scores.csv   (comma-separated, UTF-8, item ids as headings)",
    NOT_OVER,
    "Or in R: source(THIS_FILE); score_answers(answers) takes a data frame, one answered form a row, and returns one",
    "A code that the definition does not know is refused",
    TWICE,
)

_PROGRAM = r"""
mean_of_items <- function(parts, turned, minimum, minimum_each, codes, off_scale) {
  function(answers, scores) {
    valid <- lapply(parts, function(part) {
      values <- lapply(part, function(item) {
        value <- valid_answers(answers, item, codes, off_scale)
        if (item %in% turned) codes[1] + codes[length(codes)] - value else value
      })
      matrix(unlist(values), nrow = nrow(answers), ncol = length(part))
    })
    counts <- sapply(valid, function(part) rowSums(!is.na(part)))
    counts <- matrix(counts, nrow = nrow(answers), ncol = length(parts))
    means <- matrix(sapply(valid, rowMeans, na.rm = TRUE), nrow = nrow(answers), ncol = length(parts))
    enough <- rowSums(counts) >= minimum & apply(counts >= minimum_each, 1, all)
    ifelse(enough, rowMeans(means), NA_real_)
  }
}

mean_of_scores <- function(names, minimum) {
  function(answers, scores) {
    values <- matrix(unlist(scores[names]), nrow = nrow(answers), ncol = length(names))
    ifelse(rowSums(!is.na(values)) >= minimum, rowMeans(values, na.rm = TRUE), NA_real_)
  }
}

# A weighted sum of scores, all of which must be there.
combination <- function(weights, constant) {
  function(answers, scores) {
    total <- rep(constant, nrow(answers))
    for (name in names(weights)) total <- total + weights[[name]] * scores[[name]]
    total
  }
}

# Answers on the scale as numbers; NA for a blank and for an answer beside the scale.
valid_answers <- function(answers, item, codes, off_scale) {
  if (!item %in% names(answers)) stop("there is no column ", item, ": every item of the form must be there", call. = FALSE)
  given <- answers[[item]]
  if (is.factor(given)) stop(item, " is a factor; give the codes as numbers", call. = FALSE)
  text <- trimws(as.character(unclass(given)))
  text[is.na(given)] <- ""
  value <- suppressWarnings(as.numeric(text))
  wrong <- text != "" & !(value %in% c(codes, off_scale))
  if (any(wrong)) {
    stop(item, " is '", text[wrong][1], "' in row ", rownames(answers)[wrong][1], "; allowed: ",
         paste(c(codes, off_scale), collapse = ", "), " or blank", call. = FALSE)
  }
  ifelse(value %in% codes, value, NA_real_)
}

# For each form: the rule of each score, where 0 percent lies and how wide the scale is.
score_rules <- list(
@SCORES@
)

# The scores of a data frame of answers: one row an answered form, one column an item, and the column `form`
# where the questionnaire has forms.
score_answers <- function(answers) {
  answers <- as.data.frame(answers)
  form <- @FORM@
  unknown <- setdiff(unique(form), names(score_rules))
  if (length(unknown) > 0) {
    stop("form is '", unknown[1], "'; it must be one of ", paste(names(score_rules), collapse = ", "), call. = FALSE)
  }
  keys <- intersect(c("response", "person", "form", "wave", "organisation", "team", "programme"), names(answers))
  result <- answers[keys]
  for (name in score_names) result[[name]] <- rep(NA_real_, nrow(answers))
  for (one in unique(form)) {
    rows <- which(form == one)
    scores <- list()
    for (name in names(score_rules[[one]])) {
      score <- score_rules[[one]][[name]]
      scores[[name]] <- score$rule(answers[rows, , drop = FALSE], scores)
      result[rows, paste0(name, "_m")] <- scores[[name]]
      result[rows, name] <- (scores[[name]] - score$origin) / score$span * 100
    }
  }
  result
}

# Text that a spreadsheet would run as a formula, made plain by an apostrophe.
plain_text <- function(column) {
  if (is.character(column)) ifelse(grepl("^[-=+@\t\r\n]", column), paste0("'", column), column) else column
}

if (sys.nframe() == 0L) {
  paths <- setdiff(commandArgs(trailingOnly = TRUE), "--force")
  if (length(paths) != 2) stop("how to run: Rscript THIS_FILE answers.csv scores.csv [--force]", call. = FALSE)
  if (file.exists(paths[2]) && !"--force" %in% commandArgs(trailingOnly = TRUE)) {
    stop(paths[2], " exists; choose another name or add --force", call. = FALSE)
  }
  answers <- read.csv(paths[1], colClasses = "character", check.names = FALSE, na.strings = character(0),
                      fileEncoding = "UTF-8-BOM")
  if (ncol(answers) == 1 && grepl("[;\t|]", names(answers))) {
    stop(paths[1], ": one column only, '", substr(names(answers), 1, 40), "': separate the cells by commas",
         call. = FALSE)
  }
  scores <- score_answers(answers)
  scores[] <- lapply(scores, plain_text)
  write.csv(scores, paths[2], row.names = FALSE, na = "", fileEncoding = "UTF-8")
}
"""


def script(instrument: Instrument) -> str:
    """Write an R script that scores all forms of a definition.

    Parameters
    ----------
    instrument : Instrument

    Returns
    -------
    str
        Source in base R. ``score_answers(answers)`` returns the key columns and, under its export id, every score:
        NAME (POMP) and NAME_m (scale of the answers). Run by Rscript, it reads and writes CSV files.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> source = script(read_instrument("pwiq"))
    >>> "score_answers <- function(answers) {" in source
    True
    """
    comment = "".join(f"# {line}\n" for line in heading(instrument, _HOW_TO_RUN))
    names = [f"{rule.export}{ending}" for rule in instrument.scores for ending in ("", "_m")]
    forms = ",\n".join(_form(instrument, form) for form in instrument.forms.ids or (None,))
    form = 'trimws(as.character(answers[["form"]]))' if instrument.forms else 'rep("all", nrow(answers))'
    check = (
        '  if (!"form" %in% names(answers)) {\n'
        '    stop("there is no column form; it says which form a row is: ",\n'
        '         paste(names(score_rules), collapse = ", "), call. = FALSE)\n'
        "  }\n"
        if instrument.forms
        else ""
    )
    program = _PROGRAM.replace("@SCORES@", forms).replace("  form <- @FORM@\n", f"{check}  form <- {form}\n")
    return f"{comment}\nscore_stamp <- {_quoted(stamp(instrument))}\nscore_names <- {_vector(names)}\n{program}"


def _form(instrument: Instrument, form: str | None) -> str:
    scores = form_scores(instrument, form)
    exports = {score.id: score.export for score in scores}
    rows = ",\n".join(_score(score, exports) for score in scores)
    return f"  {_quoted('all' if form is None else form)} = list(\n{rows}\n  )"


def _score(score: Score, exports: dict[str, str]) -> str:
    value = score.value
    if isinstance(value, ItemMean):
        parts = ",\n        ".join(_vector(part.items) for part in value.parts)
        turned = [item for part in value.parts for item in part.turned]
        rule = (
            f"mean_of_items(\n        list({parts}),\n        turned = {_vector(turned)},\n"
            f"        minimum = {value.minimum}, minimum_each = {value.minimum_each}, "
            f"codes = {_numbers(value.codes)}, off_scale = {_numbers(value.off_scale)})"
        )
    elif isinstance(value, ScoreMean):
        rule = f"mean_of_scores({_vector([exports[name] for name in value.of])}, minimum = {value.minimum})"
    else:
        weights = ", ".join(f"{exports[name]} = {float(weight)!r}" for name, weight in value.weights)
        rule = f"combination(c({weights}), constant = {float(value.constant)!r})"
    return f"    {score.export} = list(\n      rule = {rule},\n      origin = {score.origin}, span = {score.span})"


def _vector(names: Sequence[str]) -> str:
    if not names:
        return "character(0)"
    return textwrap.fill(f"c({', '.join(map(_quoted, names))})", 100, subsequent_indent=" " * 10)


def _numbers(numbers: Sequence[int]) -> str:
    return f"c({', '.join(map(str, numbers))})" if numbers else "numeric(0)"


def _quoted(text: str) -> str:
    """Return an R string: quotes and backslashes escaped, all else that is not ASCII by its number."""
    plain = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if " " <= char <= "~" else f"\\U{ord(char):08x}" for char in plain) + '"'
