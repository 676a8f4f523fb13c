# Fits lavaan's WLSMV to the draws in answers.csv of a folder and writes fits.json there: beside_lavaan.py calls it.
suppressMessages({library(lavaan); library(jsonlite)})
folder <- commandArgs(trailingOnly = TRUE)[1]
answers <- read.csv(file.path(folder, "answers.csv"))
model <- "a =~ i1 + i2 + i3\nb =~ i4 + i5 + i6\nc =~ i7 + i8 + i9"
found <- lapply(split(answers, answers$draw), function(each) {
  tryCatch({
    fit <- suppressWarnings(cfa(model, each, std.lv = TRUE, ordered = paste0("i", 1:9), estimator = "WLSMV"))
    if (!lavInspect(fit, "converged")) stop("no convergence")
    solution <- standardizedSolution(fit)
    list(
      p = unname(fitMeasures(fit, "pvalue.scaled")),
      loadings = as.matrix(solution[solution$op == "=~", c("ci.lower", "ci.upper")]),
      correlations = as.matrix(solution[solution$op == "~~" & solution$lhs < solution$rhs & solution$lhs %in% letters[1:2],
        c("ci.lower", "ci.upper")])
    )
  }, error = function(e) NULL)
})
version <- paste(R.version$major, R.version$minor, sep = ".")
write_json(
  list(fits = unname(found), R = version, lavaan = as.character(packageVersion("lavaan"))),
  file.path(folder, "fits.json"), digits = NA, auto_unbox = TRUE, null = "null"
)
