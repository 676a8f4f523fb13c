# Oracle of analysis/reliable.py: base R. Run here: Rscript --vanilla reliable.R
suppressMessages(library(jsonlite))
d <- read.csv("data/change.csv")
wide <- merge(d[d$wave == 0, ], d[d$wave == 1, ], by = "person", suffixes = c("_before", "_after"))

counted <- function(change, error) {
  index <- change / error
  list(n = length(index), improved = sum(index > 1.96), stable = sum(abs(index) <= 1.96), worse = sum(index < -1.96),
    threshold = 1.96 * error, first = head(index, 5))
}
of <- function(score, reliability, differences) {
  x <- wide[[paste0(score, "_before")]]; y <- wide[[paste0(score, "_after")]]
  both <- !is.na(x) & !is.na(y)
  list(baseline = counted((y - x)[both], sd(x[both]) * sqrt(2) * sqrt(1 - reliability)), differences = counted((y - x)[both], differences))
}
out <- list(versions = list(R = as.character(getRversion())),
  scores = list(total = of("total", .85, 7.5), part = of("part", .7, 9)))
write_json(out, "reliable.json", digits = NA, auto_unbox = TRUE)
