# Oracle for analysis/cluster_changes.py: clubSandwich (CR2, Satterthwaite) on the changes of clusters by form, and
# base R t.test where every cluster counts alike. The adjustment is that of the whitened regression (on a gls object
# clubSandwich takes another root of the same matrix: errors differ by at most .2 %).
# Run from this folder: Rscript cluster_changes.R (reads data/change.csv).
suppressMessages({library(clubSandwich); library(jsonlite)})
d <- read.csv(file.path("data", "change.csv"))

# The change of each form's mean in each cluster that has the form at both waves.
cells <- function(score, unit, forms) {
  d$cluster <- d[[unit]]; d$form <- if (forms) d$form else "all"
  rows <- d[!is.na(d[[score]]), ]; rows$y <- rows[[score]]
  m <- aggregate(y ~ cluster + form + wave, rows, function(v) c(mean(v), length(v)))
  m <- data.frame(m[1:3], mean = m$y[, 1], n = m$y[, 2])
  both <- merge(m[m$wave == 0, ], m[m$wave == 1, ], by = c("cluster", "form"), suffixes = c("0", "1"))
  arm <- tapply(d$programme, d[[unit]], function(v) v[1])
  data.frame(cluster = both$cluster, form = both$form, change = both$mean1 - both$mean0,
    sampling = 1 / both$n0 + 1 / both$n1, programme = as.vector(arm[both$cluster]))
}

robust <- function(score, unit, weights, arms) {
  both <- cells(score, unit, TRUE)
  X <- model.matrix(if (arms) ~ 0 + form + programme else ~ 0 + form, both)
  both$y <- both$change
  # As an unweighted regression of whitened rows: working variances are then all alike and nothing correlates.
  if (weights == "precision") for (rows in split(seq_len(nrow(both)), both$cluster)) {
    root <- t(chol(diag(both$sampling[rows], length(rows)) + 0.08))
    X[rows, ] <- solve(root, X[rows, , drop = FALSE])
    both$y[rows] <- solve(root, both$y[rows])
  }
  fit <- lm(y ~ 0 + X, both)
  forms <- length(unique(both$form))
  change <- c(rep(1 / forms, forms), if (arms) 0.5)
  L <- rbind(change = change)
  if (arms) L <- rbind(L, "programme − control" = c(rep(0, forms), 1), programme = c(change[1:forms], 1),
    control = c(change[1:forms], 0))
  test <- linear_contrast(fit, vcov = "CR2", cluster = both$cluster, contrasts = L, test = "Satterthwaite")
  p <- 2 * pt(-abs(test$Est / test$SE), test$df)
  out <- lapply(seq_len(nrow(L)), function(i) list(estimate = test$Est[i], se = test$SE[i], df = test$df[i],
    ci_low = test$CI_L[i], ci_high = test$CI_U[i], statistic = test$Est[i] / test$SE[i], p = p[i]))
  setNames(out, rownames(L))
}

plain <- function(score, unit) {
  both <- cells(score, unit, FALSE)
  one <- t.test(both$change)
  two <- t.test(both$change[both$programme == 1], both$change[both$programme == 0])
  list(change = list(estimate = unname(one$estimate), se = one$stderr, df = unname(one$parameter),
      ci_low = one$conf.int[1], ci_high = one$conf.int[2], statistic = unname(one$statistic), p = one$p.value),
    programme = list(estimate = unname(two$estimate[1] - two$estimate[2]), se = two$stderr,
      welch_df = unname(two$parameter)))
}

out <- list(versions = list(R = as.character(getRversion()), clubSandwich = as.character(packageVersion("clubSandwich"))))
for (unit in c("organisation", "team")) for (score in c("total", "part", "sparse")) {
  for (weights in c("precision", "equal")) {
    out$one_group[[unit]][[score]][[weights]] <- robust(score, unit, weights, FALSE)
    out$controlled[[unit]][[score]][[weights]] <- robust(score, unit, weights, TRUE)
  }
  out$t_test[[unit]][[score]] <- plain(score, unit)
}
write_json(out, "cluster_changes.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
