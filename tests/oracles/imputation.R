# Oracle of analysis/patterns.py (Little's test) and of the pooling in analysis/imputation.py.
# Run here: Rscript --vanilla imputation.R (reads data/bfi_gaps.csv, data/missing.csv)
#
# Little's test: no package of this R has it. The means and covariances are lavaan's (EM), the formula is written out
# below from Little (1988). R's own `airquality` is written to data/airquality.csv: naniar's tests and documentation
# give d2 = 35.1061 on 14 df for it (its EM, of the package norm, stops earlier: 35.10613 against 35.10617).
# Rubin's rules: sets filled in at random (they need not be good), analysed by lavaan and glm; pooled by semTools
# (degrees of freedom of Rubin, 1987) and by mi (p-values with those of Barnard & Rubin, 1999).
suppressMessages({library(lavaan); library(semTools); library(mi); library(jsonlite)})

write.csv(airquality, "data/airquality.csv", row.names = FALSE, na = "")
tight <- list(em.h1.tol = 1e-12, em.h1.iter.max = 20000, meanstructure = TRUE, std.lv = TRUE)
little <- function(d) {
  fit <- suppressWarnings(do.call("cfa",
    c(list(paste("f =~", paste(names(d), collapse = " + ")), d, missing = "ml", do.fit = FALSE), tight)))
  h1 <- lavInspect(fit, "sampstat")
  mu <- h1$mean[names(d)]
  sigma <- unclass(h1$cov)[names(d), names(d)]
  d <- as.matrix(d[rowSums(!is.na(d)) > 0, ])
  pattern <- apply(!is.na(d), 1, function(x) paste(as.integer(x), collapse = ""))
  each <- sapply(split(seq_len(nrow(d)), pattern), function(rows) {
    here <- !is.na(d[rows[1], ])
    away <- colMeans(d[rows, here, drop = FALSE]) - mu[here]
    c(length(rows) * drop(t(away) %*% solve(sigma[here, here, drop = FALSE], away)), sum(here))
  })
  df <- sum(each[2, ]) - ncol(d)
  list(item = colnames(d), statistic = sum(each[1, ]), df = df, p = pchisq(sum(each[1, ]), df, lower.tail = FALSE),
    n = nrow(d), patterns = ncol(each))
}

# Six sets of three items with gaps and one without, each gap filled with someone's answer.
set.seed(5)
d <- read.csv("data/missing.csv")[c("v1", "v2", "v3", "v6")]
d <- d[!is.na(d$v1), ]
sets <- lapply(1:6, function(i) {
  for (name in names(d)) d[[name]][is.na(d[[name]])] <- sample(na.omit(d[[name]]), sum(is.na(d[[name]])), TRUE)
  d
})
saturated <- "v1 ~~ v2 + v3 + v6\n v2 ~~ v3 + v6\n v3 ~~ v6"
one <- lapply(sets, function(s) parameterEstimates(cfa(saturated, s, meanstructure = TRUE)))
many <- suppressWarnings(cfa.mi(saturated, data = sets, meanstructure = TRUE))
invisible(capture.output(sm <- summary(many, ci = TRUE, fmi = TRUE, scale.W = FALSE, output = "data.frame")))
regression <- v6 ~ v1 + v2 + v3
fits <- lapply(sets, function(s) summary(glm(regression, data = s)))
together <- mi::pool(regression, data = sets, FUN = glm)
table <- together@pooled_summary$coefficients

out <- list(
  versions = c(list(R = as.character(getRversion())),
    lapply(setNames(nm = c("lavaan", "semTools", "mi")), function(p) as.character(packageVersion(p)))),
  little = list(airquality = little(airquality), bfi = little(read.csv("data/bfi_gaps.csv")),
    unequal = little(read.csv("data/missing.csv"))),
  semtools = list(parameter = paste(sm$lhs, sm$op, sm$rhs), estimates = t(sapply(one, function(x) x$est)),
    standard_errors = t(sapply(one, function(x) x$se)), estimate = sm$est, se = sm$se, df = sm$df, statistic = sm$t,
    p = sm$pvalue, ci_low = sm$ci.lower, ci_high = sm$ci.upper, riv = sm$riv),
  mi = list(parameter = rownames(table), estimates = t(sapply(fits, function(x) x$coefficients[, 1])),
    standard_errors = t(sapply(fits, function(x) x$coefficients[, 2])), complete_df = fits[[1]]$df.residual,
    estimate = unname(table[, 1]), se = unname(table[, 2]), statistic = unname(table[, 3]), p = unname(table[, 4]))
)
write_json(out, "imputation.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", pretty = FALSE)
