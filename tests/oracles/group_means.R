# Differences between groups of people in clusters: least squares with CR2 and Satterthwaite (clubSandwich).
suppressPackageStartupMessages({library(clubSandwich); library(jsonlite)})
set.seed(41)
make <- function(clusters, per, spread) {
  sizes <- pmax(2, rpois(clusters, per))
  cluster <- rep(seq_len(clusters), sizes)
  form <- sample(c("P", "C", "M"), length(cluster), TRUE, c(.25, .55, .2))
  shift <- matrix(rnorm(clusters * 3, 0, spread), clusters)
  y <- round(55 + c(P = -6, C = 0, M = 8)[form] + shift[cbind(cluster, match(form, c("P", "C", "M")))] + rnorm(length(cluster), 0, 15), 2)
  data.frame(y, form, cluster)
}
weights <- list(c(1, -1, 0), c(1, 0, -1), c(1, 1, 1) / 3)
tested <- function(fit, vcov) {
  found <- lapply(weights, function(w) {
    row <- linear_contrast(fit, vcov = vcov, contrasts = matrix(w, 1), test = "Satterthwaite", p_values = TRUE)
    c(estimate = row$Est, se = row$SE, df = row$df, ci_low = row$CI_L, ci_high = row$CI_U, p = row$p_val)
  })
  do.call(rbind, found)
}
sets <- list(many = make(24, 9, 6), few = make(6, 7, 8), `lone groups` = make(14, 3, 5))
out <- lapply(sets, function(data) {
  data$form <- factor(data$form, c("P", "C", "M"))
  fit <- lm(y ~ 0 + form, data)
  list(y = data$y, form = as.character(data$form), cluster = data$cluster,
       clustered = tested(fit, vcovCR(fit, cluster = data$cluster, type = "CR2")),
       alone = tested(fit, vcovCR(fit, cluster = seq_len(nrow(data)), type = "CR2")),
       welch = unname(t.test(data$y[data$form == "P"], data$y[data$form == "C"])$stderr))
})
versions <- list(R = paste(R.version$major, R.version$minor, sep = "."), clubSandwich = as.character(packageVersion("clubSandwich")))
write_json(list(versions = versions, columns = c("estimate", "se", "df", "ci_low", "ci_high", "p"), sets = out),
           "group_means.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
