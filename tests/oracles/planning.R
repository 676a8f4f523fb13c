# Oracle of analysis/planning.py. Run here: Rscript --vanilla planning.R
suppressMessages({library(clubSandwich); library(jsonlite)})

# Exact t cases: base R's power.t.test (one tail counts: the right one).
two_sample <- expand.grid(n = c(8, 30, 129), sd = c(1, 18), power = c(.8, .9))
two_sample$delta <- mapply(function(n, sd, power) power.t.test(n = n, sd = sd, power = power, tol = 1e-12)$delta,
  two_sample$n, two_sample$sd, two_sample$power)
two_sample$chance <- mapply(function(n, sd) power.t.test(n = n, sd = sd, delta = .35 * sd)$power, two_sample$n, two_sample$sd)
paired <- expand.grid(n = c(6, 30, 66), r = c(.5, .6, .8), sd = 18)
paired$delta <- mapply(function(n, r, sd) power.t.test(n = n, sd = sd * sqrt(2 * (1 - r)), power = .8, type = "paired", tol = 1e-12)$delta,
  paired$n, paired$r, paired$sd)
paired$chance <- mapply(function(n, r, sd) power.t.test(n = n, sd = sd * sqrt(2 * (1 - r)), delta = 6.25, type = "paired")$power,
  paired$n, paired$r, paired$sd)

# The sizes of a guide: d = .35, 80 %, two-sided 5 %.
size <- function(type, r = 0) power.t.test(delta = .35, sd = if (type == "paired") sqrt(2 * (1 - r)) else 1, power = .8, type = type)$n
guide <- list(pairs_5 = size("paired", .5), pairs_6 = size("paired", .6), each_wave = size("two.sample"))

# Brute force: the covariance of every single answer of one cluster, and of the weighted sum that is the estimate.
# Answers of form f: before[f], after[f], of which linked[f] are of the same people (the first ones).
cluster_change <- function(before, after, linked, icc, cac, tau, sd) {
  answers <- rbind(
    do.call(rbind, lapply(seq_along(before), function(f) data.frame(wave = 0, form = f, person = paste(f, seq_len(before[f]))))),
    do.call(rbind, lapply(seq_along(after), function(f) data.frame(wave = 1, form = f,
      person = paste(f, c(seq_len(linked[f]), before[f] + seq_len(after[f] - linked[f])))))))
  n <- nrow(answers)
  V <- matrix(0, n, n)
  for (i in seq_len(n)) for (j in seq_len(n)) {
    same_wave <- answers$wave[i] == answers$wave[j]
    V[i, j] <- icc * (if (same_wave) 1 else cac)
    if (answers$person[i] == answers$person[j]) V[i, j] <- V[i, j] + (1 - icc) * (if (same_wave) 1 else tau)
  }
  w <- numeric(n)
  for (f in seq_along(before)) {
    w[answers$wave == 0 & answers$form == f] <- -1 / before[f] / length(before)
    w[answers$wave == 1 & answers$form == f] <- 1 / after[f] / length(after)
  }
  V <- sd^2 * V
  first <- ifelse(answers$wave == 0, -w, 0); second <- ifelse(answers$wave == 1, w, 0)
  c(change = drop(w %*% V %*% w), before = drop(first %*% V %*% first), after = drop(second %*% V %*% second),
    both = drop(first %*% V %*% second))
}
# The noncentral t distribution solved for the effect, by R's own functions.
detectable <- function(se, df, power = .8, level = .05) {
  limit <- qt(1 - level / 2, df)
  uniroot(function(d) pt(limit, df, d, lower.tail = FALSE) - power, c(0, limit + 30), tol = 1e-12)$root * se
}
case <- function(arms, before, after, linked, icc, cac, tau, sd, ancova = FALSE) {
  v <- cluster_change(before, after, linked, icc, cac, tau, sd)
  own <- if (ancova) v[["after"]] - v[["both"]]^2 / v[["before"]] else v[["change"]]
  se <- sqrt(own * sum(1 / arms))
  # The degrees of freedom of CR2 depend on the design alone: Welch's of arms that vary alike.
  df <- sum(arms) - 1
  if (length(arms) == 2) {
    d <- data.frame(arm = rep(1:0, arms), unit = seq_len(sum(arms)), y = sin(seq_len(sum(arms))))
    df <- coef_test(lm(y ~ arm, d), vcov = "CR2", cluster = d$unit, test = "Satterthwaite")["arm", "df_Satt"]
  }
  if (ancova) df <- sum(arms) - 3
  list(arms = arms, before = before, after = after, linked = linked, icc = icc, cac = cac, tau = tau, sd = sd, ancova = ancova,
    se = se, df = df, delta = detectable(se, df), chance = pt(qt(.975, df), df, 8 / se, lower.tail = FALSE))
}
clusters <- list(
  cross_section = case(8, 12, 12, 0, .08, .8, .7, 20),
  closed_cohort = case(8, 12, 12, 12, .08, .8, .7, 20),
  open_cohort = case(24, 12, 9, 5, .05, .6, .8, 18),
  arms = case(c(12, 12), 10, 10, 4, .1, .9, .6, 20),
  unequal_arms = case(c(3, 9), 10, 8, 6, .1, .9, .6, 20),
  ancova = case(c(12, 12), 10, 10, 4, .1, .9, .6, 20, ancova = TRUE),
  forms = case(10, c(2, 16, 2), c(2, 16, 2), c(1, 8, 1), .05, .8, .7, 18))

# One team, partly linked: variance by brute force, degrees of freedom from the formula of Derrick et al. (2017).
team <- function(before, after, linked, tau, sd) {
  v <- cluster_change(before, after, linked, 0, 0, tau, sd)[["change"]]
  a <- before - linked; b <- after - linked
  v0 <- sd^2 / before; v1 <- sd^2 / after
  gamma <- (v0 + v1)^2 / (v0^2 / (before - 1) + v1^2 / (after - 1))
  df <- (linked - 1) + (gamma - linked + 1) / (a + b + 2 * linked) * (a + b)
  list(before = before, after = after, linked = linked, tau = tau, sd = sd, se = sqrt(v), df = df, delta = detectable(sqrt(v), df))
}
teams <- list(team(30, 26, 15, .6, 18), team(30, 26, 15, .9, 18), team(10, 9, 4, .8, 18), team(40, 20, 20, .6, 20))

write_json(list(versions = list(R = as.character(getRversion()), clubSandwich = as.character(packageVersion("clubSandwich"))), two_sample = two_sample, paired = paired, guide = guide,
  clusters = clusters, teams = teams), "planning.json", digits = NA, auto_unbox = TRUE)
