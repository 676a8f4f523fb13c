# Oracle of analysis/trends.py: lmerTest. Run here: Rscript --vanilla trends.R
# data/trends.csv is simulated first if it is missing; otherwise it is only read.
suppressMessages({library(lmerTest); library(jsonlite)})
simulated <- function() {
  set.seed(77)
  people <- 160; teams <- 24
  team <- sample(teams, people, replace = TRUE); organisation <- (team - 1) %/% 2 + 1
  form <- sample(c("C", "P"), people, replace = TRUE, prob = c(3, 1))
  d <- expand.grid(person = seq_len(people), wave = 0:3)
  i <- d$person; w <- d$wave
  d$form <- form[i]; d$organisation <- paste0("o", organisation[i]); d$team <- paste0("t", team[i])
  shock <- rnorm(12 * 4, 0, 4); team_shock <- rnorm(teams * 4, 0, 4)
  for (score in c("total", "part")) {
    d[[score]] <- round(50 + c(0, 1, 4, 5)[w + 1] + ifelse(d$form == "P", -4 + 1.5 * w, 0) + rnorm(12, 0, 5)[organisation[i]] +
      shock[(organisation[i] - 1) * 4 + w + 1] + rnorm(teams, 0, 4)[team[i]] + team_shock[(team[i] - 1) * 4 + w + 1] +
      rnorm(people, 0, 7)[i] + rnorm(nrow(d), 0, 7), 2)
    shock <- rev(shock); team_shock <- rev(team_shock)
  }
  d <- d[runif(nrow(d)) < .7, ]
  d$part[sample(nrow(d), 40)] <- NA
  d
}
file <- file.path("data", "trends.csv")
if (!file.exists(file)) write.csv(simulated(), file, row.names = FALSE, quote = FALSE, na = "")
d <- read.csv(file)
months <- c(0, 5, 12, 18)
d$time <- months[d$wave + 1]
d$w <- factor(d$wave)
d$ow <- interaction(d$organisation, d$wave); d$tw <- interaction(d$team, d$wave)
tight <- lmerControl(optimizer = "nloptwrap", check.conv.singular = "ignore",
  optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, xtol_rel = 0, ftol_rel = 0, maxeval = 100000))
random <- "(1 | organisation) + (1 | ow) + (1 | team) + (1 | tw) + (1 | person)"
test <- function(fit, weights) {
  L <- setNames(rep(0, length(fixef(fit))), names(fixef(fit)))
  L[names(weights)] <- weights
  unlist(contest(fit, L, joint = FALSE, confint = TRUE)[c("Estimate", "Std. Error", "df", "lower", "upper", "t value", "Pr(>|t|)")], use.names = FALSE)
}
of <- function(score) {
  line <- lmer(as.formula(paste(score, "~ time * form +", random)), d, control = tight)
  steps <- lmer(as.formula(paste(score, "~ w * form +", random)), d, control = tight)
  later <- lapply(1:3, function(k) test(steps, setNames(c(1, .5), paste0("w", k, c("", ":formP")))))
  list(n = nobs(line), trend = test(line, c(time = 1, "time:formP" = .5)), variances = as.data.frame(VarCorr(line))$vcov,
    steps = as.data.frame(VarCorr(steps))$vcov,
    later = later, holm = p.adjust(sapply(later, tail, 1), "holm"))
}
out <- list(
  versions = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")), lmerTest = as.character(packageVersion("lmerTest"))),
  months = months, total = of("total"), part = of("part")
)
write_json(out, "trends.json", digits = NA, auto_unbox = TRUE)
