# Oracle of analysis/attrition.py: Welch tests of base R, clusters by sandwich, the error of the standardised difference by
# numerical influence values (boot::empinf). Run here: Rscript --vanilla attrition.R
suppressMessages({library(boot); library(sandwich); library(jsonlite)})
d <- read.csv("data/change.csv")
d$linked <- as.integer(d$person %in% intersect(d$person[d$wave == 0], d$person[d$wave == 1]))

average <- function(x, w) sum(w * x) / sum(w)
spread <- function(x, w) average((x - average(x, w))^2, w) * length(x) / (length(x) - 1)
standardised <- function(data, w) {
  a <- data$linked == 1
  (average(data$y[a], w[a]) - average(data$y[!a], w[!a])) / sqrt((spread(data$y[a], w[a]) + spread(data$y[!a], w[!a])) / 2)
}
compared <- function(wave, score) {
  part <- d[d$wave == wave & !is.na(d[[score]]), ]
  part$y <- part[[score]]
  test <- t.test(y ~ factor(linked, levels = c(1, 0)), part)
  fit <- lm(y ~ linked, part)
  robust <- sqrt(vcovCL(fit, cluster = part$organisation, type = "HC0", cadjust = TRUE)["linked", "linked"])
  value <- empinf(data = part, statistic = standardised, type = "inf", stype = "w", eps = 1e-6 / nrow(part)) / nrow(part)
  n <- ave(value, part$linked, FUN = length)
  shares <- tapply(value^2 * n / (n - 1), part$linked, sum)
  sizes <- table(part$linked)
  size <- standardised(part, rep(1, nrow(part)))
  half <- qt(.975, sum(shares)^2 / sum(shares^2 / (sizes - 1))) * sqrt(sum(shares))
  list(n = c(sum(part$linked), sum(1 - part$linked)), means = unname(test$estimate), estimate = unname(-diff(test$estimate)),
    se = test$stderr, df = unname(test$parameter), ci = as.numeric(test$conf.int), robust = robust,
    effect = c(size, size - half, size + half))
}
out <- list(
  versions = list(R = as.character(getRversion()), boot = as.character(packageVersion("boot")), sandwich = as.character(packageVersion("sandwich"))),
  before = list(total = compared(0, "total"), part = compared(0, "part")),
  after = list(total = compared(1, "total"), part = compared(1, "part")),
  forms = lapply(split(d, d$wave), function(part) as.list(as.data.frame.matrix(table(part$form, part$linked))))
)
write_json(out, "attrition.json", digits = NA, auto_unbox = TRUE)
