# Fits lavaan's WLSMV to the draws in answers.csv of a folder and writes p.json there: beside_lavaan.py calls it.
suppressMessages({library(lavaan); library(jsonlite)})
folder <- commandArgs(trailingOnly = TRUE)[1]
answers <- read.csv(file.path(folder, "answers.csv"))
model <- "a =~ i1 + i2 + i3\nb =~ i4 + i5 + i6\nc =~ i7 + i8 + i9"
p <- sapply(split(answers, answers$draw), function(each) {
  tryCatch({
    fit <- suppressWarnings(cfa(model, each, std.lv = TRUE, ordered = paste0("i", 1:9), estimator = "WLSMV"))
    if (lavInspect(fit, "converged")) unname(fitMeasures(fit, "pvalue.scaled")) else NA_real_
  }, error = function(e) NA_real_)
})
version <- paste(R.version$major, R.version$minor, sep = ".")
write_json(
  list(p = unname(p), R = version, lavaan = as.character(packageVersion("lavaan"))),
  file.path(folder, "p.json"), digits = NA, auto_unbox = TRUE, na = "null"
)
