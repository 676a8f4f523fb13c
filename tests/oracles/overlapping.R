# Oracle for analysis/overlapping.py: the worked example of Derrick, Toher and White (2017), Welch's and the paired
# test of base R where nobody or everybody is linked, and in between the formulas of Derrick et al. (2017) written
# out on the covariance matrix of the two means. Run from this folder: Rscript overlapping.R
suppressMessages(library(jsonlite))
d <- read.csv(file.path("data", "change.csv"))

numbers <- function(test, estimate) list(estimate = estimate, se = test$stderr, df = unname(test$parameter),
  ci_low = test$conf.int[1], ci_high = test$conf.int[2], statistic = unname(test$statistic), p = test$p.value)

wide <- function(score) {
  w <- merge(d[d$wave == 0, c("person", score)], d[d$wave == 1, c("person", score)], by = "person", all = TRUE)
  setNames(w, c("person", "before", "after"))
}

overlapping <- function(w, equal) {
  x <- w$before[!is.na(w$before)]; y <- w$after[!is.na(w$after)]; both <- w[complete.cases(w), ]
  n <- c(length(x), length(y)); linked <- nrow(both)
  v <- if (equal) rep(sum((n - 1) * c(var(x), var(y))) / sum(n - 1), 2) else c(var(x), var(y))
  covariance <- matrix(cor(both$before, both$after) * sqrt(prod(v)) * linked / prod(n), 2, 2)
  diag(covariance) <- v / n
  a <- c(-1, 1)
  se <- sqrt(drop(t(a) %*% covariance %*% a))
  gamma <- if (equal) sum(n) - 2 else sum(v / n)^2 / sum((v / n)^2 / (n - 1))
  single <- sum(n) - 2 * linked
  df <- (linked - 1) + (gamma - linked + 1) / (single + 2 * linked) * single
  estimate <- mean(y) - mean(x)
  list(estimate = estimate, se = se, df = df, ci_low = estimate - qt(0.975, df) * se,
    ci_high = estimate + qt(0.975, df) * se, statistic = estimate / se, p = 2 * pt(-abs(estimate / se), df))
}

out <- list(versions = list(R = as.character(getRversion())))
for (score in c("total", "part", "sparse")) {
  w <- wide(score); both <- w[complete.cases(w), ]
  out$partly[[score]] <- list(unequal = overlapping(w, FALSE), equal = overlapping(w, TRUE))
  welch <- t.test(w$after, w$before); student <- t.test(w$after, w$before, var.equal = TRUE)
  paired <- t.test(both$after, both$before, paired = TRUE)
  difference <- mean(w$after, na.rm = TRUE) - mean(w$before, na.rm = TRUE)
  out$nobody[[score]] <- list(unequal = numbers(welch, difference), equal = numbers(student, difference))
  out$everybody[[score]] <- list(unequal = numbers(paired, unname(paired$estimate)))
}
# Derrick, Toher and White (2017), The Quantitative Methods for Psychology, 13(2), 120-126, as in the documentation of
# the R package Partiallyoverlapping 2.0: equal variances, printed p = .026.
out$published <- list(before_alone = c(20, 21, 16, 18, 14, 12, 14, 17), before_linked = c(14, 15, 18, 20, 11, 19, 14, 15),
  after_alone = c(10, 16, 18, 16, 15, 14, 13, 10), after_linked = c(15, 10, 15, 17, 13, 19, 12, 13), p = 0.026)
write_json(out, "overlapping.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
