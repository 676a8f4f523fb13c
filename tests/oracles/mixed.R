# Oracle for analysis/mixed.py: lme4 and lmerTest. Run from this folder: Rscript mixed.R
# A data file that is missing is simulated first, from the seeds below; otherwise it is only read.
suppressMessages({library(lme4); library(lmerTest); library(jsonlite)})

simulated <- list(
  # Teams in organisations, unequal groups, rows with gaps (left out by both programs).
  nested = function() {
    set.seed(11)
    teams <- 26; organisation <- sort(rep(1:8, length.out = teams))
    team <- rep(seq_len(teams), times = sample(2:14, teams, replace = TRUE))
    d <- data.frame(organisation = paste0("o", organisation[team]), team = paste0("t", team))
    d$wave <- rbinom(nrow(d), 1, 0.5); d$age <- round(rnorm(nrow(d), 40, 9))
    d$score <- round(60 + 2 * d$wave + 0.1 * d$age + rnorm(8, 0, 4)[organisation[team]] +
      rnorm(teams, 0, 5)[team] + rnorm(nrow(d), 0, 10), 2)
    d$score[sample(nrow(d), 9)] <- NA; d$age[sample(nrow(d), 7)] <- NA
    d
  },
  # Two waves: organisation, organisation x wave, team, team x wave, person; some move between teams.
  waves = function() {
    set.seed(23)
    people <- 230; teams <- 36; organisation <- sort(rep(1:12, length.out = teams))
    home <- sample(teams, people, replace = TRUE)
    rows <- data.frame(person = c(1:people, 1:people), wave = rep(0:1, each = people))
    rows <- rows[runif(nrow(rows)) < ifelse(rows$wave == 0, 0.9, 0.7), ]
    team <- ifelse(runif(nrow(rows)) < 0.05, sample(teams, nrow(rows), replace = TRUE), home[rows$person])
    org <- organisation[team]; w <- rows$wave
    d <- data.frame(person = paste0("p", rows$person), organisation = paste0("o", org),
      organisation_wave = paste0("o", org, "w", w), team = paste0("t", team),
      team_wave = paste0("t", team, "w", w), wave = w, programme = org %% 2, form = rbinom(nrow(rows), 1, 0.4))
    d$score <- round(55 + 3 * w + 2 * w * d$programme - d$form + rnorm(12, 0, 6)[org] +
      rnorm(24, 0, 5)[2 * org - w] + rnorm(teams, 0, 6)[team] + rnorm(2 * teams, 0, 5)[2 * team - w] +
      rnorm(people, 0, 8)[rows$person] + rnorm(nrow(d), 0, 8), 2)
    d
  },
  # No variation between organisations beyond that between teams: its variance ends at zero.
  singular = function() {
    set.seed(5)
    team <- rep(1:18, times = sample(4:10, 18, replace = TRUE)); org <- (team - 1) %/% 3 + 1
    effect <- rnorm(18, 0, 4); effect <- effect - ave(effect, (0:17) %/% 3)
    d <- data.frame(organisation = paste0("o", org), team = paste0("t", team), wave = rbinom(length(team), 1, 0.5))
    d$score <- round(50 + effect[team] + d$wave + rnorm(length(team), 0, 5), 2)
    d
  },
  simple = function() {
    set.seed(7)
    org <- rep(1:9, times = c(3, 5, 8, 12, 4, 6, 15, 7, 2))
    d <- data.frame(organisation = paste0("o", org), programme = rep(0:2, length.out = 9)[org])
    d$score <- round(3 + 0.4 * (d$programme == 2) + rnorm(9, 0, 0.5)[org] + rnorm(length(org), 0, 0.8), 3)
    d
  }
)
formulas <- list(
  nested = score ~ wave + age + (1 | organisation) + (1 | team),
  waves = score ~ wave * programme + form + (1 | organisation) + (1 | organisation_wave) + (1 | team) +
    (1 | team_wave) + (1 | person),
  singular = score ~ wave + (1 | organisation) + (1 | team),
  singular_reduced = score ~ wave + (1 | team),
  simple = score ~ factor(programme) + (1 | organisation)
)

tight <- lmerControl(optimizer = "nloptwrap", check.conv.singular = "ignore",
  optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, xtol_rel = 0, ftol_rel = 0, maxeval = 100000))
out <- list(versions = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")),
  lmerTest = as.character(packageVersion("lmerTest"))))
for (name in names(formulas)) {
  data <- sub("_reduced", "", name)  # the singular model without the factor at zero, for its df
  file <- file.path("data", paste0("mixed_", data, ".csv"))
  if (!file.exists(file)) write.csv(simulated[[data]](), file, row.names = FALSE, quote = FALSE)
  d <- read.csv(file)
  fit <- lmer(formulas[[name]], d, control = tight)
  table <- coef(summary(fit)); variances <- as.data.frame(VarCorr(fit))
  p <- nrow(table); L <- diag(p)[-1, , drop = FALSE]
  as_list <- function(test) list(statistic = test[["F value"]], df = test[["NumDF"]], df_error = test[["DenDF"]],
    p = test[["Pr(>F)"]])
  sum_and_difference <- rbind(rep(1, p), c(0, 1, rep(-1, p - 2)))
  single <- contest(fit, sum_and_difference, joint = FALSE, confint = TRUE)
  out[[name]] <- list(
    terms = rownames(table), estimate = table[, "Estimate"], se = table[, "Std. Error"], df = table[, "df"],
    statistic = table[, "t value"], p = table[, "Pr(>|t|)"], covariance = as.matrix(vcov(fit)),
    factors = variances$grp, variances = variances$vcov, loglik = as.numeric(logLik(fit)),
    singular = isSingular(fit), n = nobs(fit), n_groups = as.list(ngrps(fit)),
    joint = as_list(contest(fit, L, joint = TRUE)),
    joint_redundant = as_list(contest(fit, rbind(L, colSums(L)), joint = TRUE)),
    contrasts = list(estimate = single[["Estimate"]], se = single[["Std. Error"]], df = single[["df"]],
      statistic = single[["t value"]], p = single[["Pr(>|t|)"]], ci_low = single[["lower"]],
      ci_high = single[["upper"]])
  )
}
write_json(out, "mixed.json", digits = NA, auto_unbox = TRUE, pretty = TRUE, matrix = "rowmajor")
