# Oracle for analysis/means.py: means with standard errors robust to clustering (CR1), and ordinary ones.
# Run from this folder: Rscript means.R. A data file that is missing is simulated first; otherwise it is only read.
# The mean is the intercept of lm(score ~ 1); with strata it is the average of the coefficients of
# lm(score ~ 0 + form). Its CR1 variance by matrices: G/(G-1) (X'X)^-1 sum_g(X_g' e_g e_g' X_g) (X'X)^-1
# (Cameron and Miller 2015). Where the package sandwich is there, its HC0 and HC1 by cluster are checked against it.
suppressMessages(library(jsonlite))

if (!file.exists("data/means.csv")) {
  set.seed(31)
  teams <- 34
  team <- rep(seq_len(teams), times = sample(1:17, teams, replace = TRUE))
  n <- length(team)
  form <- sample(c("P", "C", "M"), n, replace = TRUE, prob = c(0.6, 0.3, 0.1))
  wave <- rbinom(n, 1, 0.45) + 1
  form[wave == 2 & form == "M"] <- "C"   # managers answer at the first wave only
  d <- data.frame(wave, form, team = paste0("t", team))
  effect <- rnorm(teams, 0, 6)[team] + ifelse(form == "P", 0, 5)
  d$role <- round(55 + effect + rnorm(n, 0, 12), 2)
  d$sparse <- round(40 + effect + rnorm(n, 0, 9), 2)
  d$role[sample(n, 25)] <- NA
  d$sparse[sample(n, n - 40)] <- NA      # a score that few people have, in unequal teams
  write.csv(d, "data/means.csv", row.names = FALSE, quote = FALSE, na = "")
}
d <- read.csv("data/means.csv", na.strings = "")

interval <- function(mean, se, df) c(se = se, df = df, ci_low = mean + qt(.025, df) * se, ci_high = mean + qt(.975, df) * se)

clustered <- function(y, team, form = NULL) {
  X <- if (is.null(form)) matrix(1, length(y), 1) else model.matrix(~ 0 + factor(form))
  fit <- lm.fit(X, y)
  bread <- solve(crossprod(X))
  meat <- crossprod(rowsum(X * fit$residuals, team))
  G <- length(unique(team))
  weights <- rep(1 / ncol(X), ncol(X))
  V <- G / (G - 1) * bread %*% meat %*% bread
  if (requireNamespace("sandwich", quietly = TRUE)) {
    # type HC0 with cadjust = TRUE is G/(G-1) alone, as here; HC1 would also multiply by (N-1)/(N-k).
    other <- sandwich::vcovCL(lm(y ~ 0 + X), cluster = team, type = "HC0", cadjust = TRUE)
    stopifnot(isTRUE(all.equal(unname(V), unname(other), tolerance = 1e-10)))
  }
  mean <- sum(weights * fit$coefficients)
  c(n = length(y), mean = mean, sd = sd(y), interval(mean, sqrt(drop(weights %*% V %*% weights)), G - 1))
}

plain <- function(y) {
  fit <- lm(y ~ 1)
  bounds <- confint(fit)
  c(n = length(y), mean = unname(coef(fit)), sd = sd(y), se = unname(sqrt(vcov(fit)[1, 1])), df = fit$df.residual,
    ci_low = bounds[1], ci_high = bounds[2])
}

# The equally weighted mean of the forms with the variance within them pooled: a contrast of lm's coefficients.
pooled <- function(y, form) {
  fit <- lm(y ~ 0 + factor(form))
  weights <- rep(1 / length(coef(fit)), length(coef(fit)))
  mean <- sum(weights * coef(fit))
  c(n = length(y), mean = mean, sd = sd(y), interval(mean, sqrt(drop(weights %*% vcov(fit) %*% weights)), fit$df.residual))
}

rows <- list()
for (wave in 1:2) for (score in c("role", "sparse")) {
  part <- d[d$wave == wave & !is.na(d[[score]]), ]
  both <- part[part$form != "M", ]       # the forms present at both waves
  y <- part[[score]]
  tables <- list(clustered = clustered(y, part$team), plain = plain(y),
    strata = clustered(both[[score]], both$team, both$form), plain_strata = pooled(both[[score]], both$form))
  for (name in names(tables))
    rows[[length(rows) + 1]] <- c(list(method = name, wave = wave, score = score), as.list(tables[[name]]))
}
# t.test is a second way to the unclustered interval.
stopifnot(isTRUE(all.equal(as.numeric(t.test(na.omit(d$role[d$wave == 1]))$conf.int),
  c(rows[[2]]$ci_low, rows[[2]]$ci_high))))
write_json(list(versions = list(R = R.version.string), rows = rows), "means.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
