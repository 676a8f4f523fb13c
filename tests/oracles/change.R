# Oracle for analysis/change.py: lme4, lmerTest and emmeans for everyone, base R for linked people.
# Run from this folder: Rscript change.R
# data/change.csv is simulated first if it is missing, from the seed below; otherwise it is only read.
suppressMessages({library(lme4); library(lmerTest); library(emmeans); library(jsonlite)})

# Two waves, three forms, unequal teams, half of the organisations in a programme; part of the people
# answer twice, some of them on another form; gaps in every score, and one that few answered.
simulated <- function() {
  set.seed(31)
  people <- 210; teams <- 30; organisation <- sort(c(1:10, sample(10, teams - 10, replace = TRUE)))
  team <- sort(sample(teams, people, replace = TRUE, prob = exp(rnorm(teams, 0, 0.5))))
  first <- sample(c("C", "M", "P"), people, replace = TRUE, prob = c(6, 2, 3))
  second <- ifelse(first == "P" & runif(people) < 0.08, "M", first)
  d <- data.frame(wave = rep(0:1, each = people), person = rep(paste0("p", 1:people), 2),
    form = c(first, second), organisation = paste0("o", organisation[team]), team = paste0("t", team))
  org <- rep(organisation[team], 2); t2 <- rep(team, 2); w <- d$wave
  d$programme <- as.integer(org %% 2 == 0)
  for (score in c("total", "part", "sparse")) {
    d[[score]] <- round(52 + 2 * w + 5 * w * d$programme + c(C = 0, M = 6, P = -3)[d$form] +
      w * c(C = 0, M = -3, P = 2)[d$form] + rnorm(10, 0, 5)[org] + rnorm(20, 0, 4)[2 * org - w] +
      rnorm(teams, 0, 5)[t2] + rnorm(2 * teams, 0, 4)[2 * t2 - w] + rnorm(people, 0, 8)[rep(1:people, 2)] +
      rnorm(2 * people, 0, 8), 2)
  }
  d <- d[runif(nrow(d)) < ifelse(w == 0, 0.85, 0.7), ]
  d$total[sample(nrow(d), 6)] <- NA; d$part[sample(nrow(d), 40)] <- NA
  d$sparse[sample(nrow(d), round(0.6 * nrow(d)))] <- NA
  d
}

file <- file.path("data", "change.csv")
if (!file.exists(file)) write.csv(simulated(), file, row.names = FALSE, quote = FALSE, na = "")
d <- read.csv(file)
d$programme <- factor(d$programme); d$wave <- factor(d$wave)
tight <- lmerControl(optimizer = "nloptwrap", check.conv.singular = "ignore",
  optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, xtol_rel = 0, ftol_rel = 0, maxeval = 100000))
places <- "(1 | organisation) + (1 | organisation:wave) + (1 | team) + (1 | team:wave) + (1 | person)"

numbers <- function(test) {
  s <- summary(test, infer = TRUE)
  list(estimate = s$estimate, se = s$SE, df = s$df, ci_low = s$lower.CL, ci_high = s$upper.CL,
    statistic = s$t.ratio, p = s$p.value)
}
later <- list(after = c(-1, 1))
everyone <- function(score, arms) {
  rows <- d[!is.na(d[[score]]), ]
  fixed <- if (arms) "wave * programme + form + form:wave" else "wave + form + form:wave"
  fit <- lmer(as.formula(paste(score, "~", fixed, "+", places)), rows, control = tight)
  grid <- ref_grid(fit, lmer.df = "satterthwaite")
  kenward <- summary(contrast(emmeans(ref_grid(fit, lmer.df = "kenward-roger"), "wave"), later))
  out <- list(singular = isSingular(fit, tol = 1e-4), sd_before = sd(rows[[score]][rows$wave == 0]),
    n_before = sum(rows$wave == 0), n_after = sum(rows$wave == 1), n_linked = sum(duplicated(rows$person)),
    kenward_roger = list(se = kenward$SE, df = kenward$df), change = numbers(contrast(emmeans(grid, "wave"), later)))
  if (arms) {
    by_arm <- numbers(contrast(emmeans(grid, "wave", by = "programme"), later))
    out[["control"]] <- lapply(by_arm, `[`, 1); out[["programme"]] <- lapply(by_arm, `[`, 2)
    # Cells in the order control before, control after, programme before, programme after.
    cells <- emmeans(grid, c("wave", "programme"))
    out[["programme − control"]] <- numbers(contrast(cells, list(did = c(1, -1, -1, 1))))
  }
  out
}

linked <- function(score, unit) {
  both <- merge(d[d$wave == 0, ], d[d$wave == 1, ], by = "person", suffixes = c("", "_after"))
  both <- both[both$form == both$form_after, ]
  both$change <- both[[paste0(score, "_after")]] - both[[score]]
  both <- both[!is.na(both$change), ]
  means <- aggregate(change ~ cluster + programme, data.frame(cluster = both[[unit]], both), mean)
  as_list <- function(test, estimate) list(n = nrow(both), clusters = nrow(means), estimate = estimate,
    se = test$stderr, df = unname(test$parameter), ci_low = test$conf.int[1], ci_high = test$conf.int[2],
    statistic = unname(test$statistic), p = test$p.value)
  one <- t.test(means$change)
  two <- t.test(means$change[means$programme == 1], means$change[means$programme == 0])
  list(change = as_list(one, unname(one$estimate)), programme = as_list(two, unname(two$estimate[1] - two$estimate[2])))
}

scores <- c("total", "part", "sparse")
out <- list(versions = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")),
  lmerTest = as.character(packageVersion("lmerTest")), emmeans = as.character(packageVersion("emmeans")),
  pbkrtest = as.character(packageVersion("pbkrtest"))))
out$controlled <- sapply(scores, everyone, arms = TRUE, simplify = FALSE)
out$one_group <- sapply(scores, everyone, arms = FALSE, simplify = FALSE)
for (unit in c("team", "organisation", "person"))
  out$linked[[unit]] <- sapply(scores, linked, unit = unit, simplify = FALSE)
p <- c(0.01, 0.04, 0.03, 0.2, 0.6)
out$holm <- list(p = p, adjusted = p.adjust(p, "holm"))
write_json(out, "change.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
