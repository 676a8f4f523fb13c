# Oracle of analysis/groups.py: group comparisons of five simulated scores with gaps, ties, unequal groups,
# a sparse item and a score that one group lacks. Run in tests/oracles: Rscript groups.R
suppressPackageStartupMessages({
  library(jsonlite)
  library(ordinal)
  library(lmerTest)
})

data <- read.csv("data/groups_scores.csv", na.strings = "")
data <- data[!is.na(data$form), ]
data$form <- factor(data$form, levels = c("P", "C", "M"))
data$team <- paste(data$organisation, data$team)
scores <- c("integration", "culture", "item", "sparse", "process")
names(scores) <- scores

# The values there are, without groups of fewer than two values.
present <- function(score, groups) {
  d <- data[!is.na(data[[score]]) & data$form %in% groups, ]
  d$y <- d[[score]]
  sizes <- table(d$form)
  d <- d[d$form %in% names(sizes)[sizes > 1], ]
  d$form <- droplevels(d$form)
  d
}
pairs_of <- function(d) combn(levels(d$form), 2, simplify = FALSE)

root <- function(f, lower, upper) uniroot(f, c(lower, upper), tol = 1e-14, maxiter = 10000)$root

# pt(ncp =) warns of lost digits in the lower tail, so the distribution is integrated from its definition.
pt_noncentral <- function(t, df, nc) {
  cut <- qchisq(c(1e-17, 1 - 1e-16), df)
  integrate(function(w) pnorm(t * sqrt(w / df) - nc) * dchisq(w, df), cut[1], cut[2],
            rel.tol = 1e-12, subdivisions = 5000)$value
}

hedges <- function(x, y) {
  v <- c(var(x), var(y)); n <- c(length(x), length(y))
  d <- (mean(x) - mean(y)) / sqrt(mean(v))
  m <- sum(v)^2 / sum(v^2 / (n - 1))
  test <- t.test(x, y)
  t <- unname(test$statistic); df <- unname(test$parameter)
  reach <- 5 + abs(t)
  scale <- unname(test$stderr) / sqrt(mean(v))
  bound <- function(p) root(function(nc) pt_noncentral(t, df, nc) - p, t - reach, t + reach) * scale
  c(effect_size = d * exp(lgamma(m / 2) - lgamma((m - 1) / 2)) / sqrt(m / 2),
    effect_low = bound(.975), effect_high = bound(.025))
}

welch_pair <- function(x, y) {
  test <- t.test(x, y)
  c(estimate = mean(x) - mean(y), se = unname(test$stderr), ci_low = test$conf.int[1], ci_high = test$conf.int[2],
    statistic = unname(test$statistic), df = unname(test$parameter), p = test$p.value, hedges(x, y))
}

# The noncentral F distribution as a Poisson mixture: pf(ncp =) stops at about seven digits.
pf_noncentral <- function(f, df, df_error, nc) {
  j <- 0:2000
  sum(dpois(j, nc / 2) * pbeta(df * f / (df * f + df_error), df / 2 + j, df_error / 2))
}

welch_anova <- function(d) {
  test <- oneway.test(y ~ form, d)
  f <- unname(test$statistic); df <- unname(test$parameter); n <- nrow(d)
  bound <- function(p) {
    if (pf(f, df[1], df[2]) <= p) return(0)
    nc <- root(function(nc) pf_noncentral(f, df[1], df[2], nc) - p, 0, 200)
    nc / (nc + n)
  }
  omega <- max(0, df[1] * (f - 1) / (df[1] * (f - 1) + n))
  c(statistic = f, df = df[1], df_error = df[2], p = test$p.value,
    effect_size = omega, effect_low = bound(.975), effect_high = bound(.025))
}

newcombe <- function(a, m, n) {
  extra <- (m + n) / 2 - 1
  excess <- function(h) (a - h)^2 - qnorm(.975)^2 * h * (1 - h) *
    (1 + extra * ((1 - h) / (2 - h) + h / (1 + h))) / (m * n)
  inside <- min(max(a, 1e-9), 1 - 1e-9)
  c(if (a == 0) 0 else root(excess, 0, inside), if (a == 1) 1 else root(excess, inside, 1))
}

rank_pair <- function(x, y) {
  test <- suppressWarnings(wilcox.test(x, y))
  a <- mean(outer(x, y, ">") + outer(x, y, "==") / 2)
  ends <- newcombe(a, length(x), length(y))
  delta <- mean(sign(outer(x, y, "-")))
  c(estimate = a, ci_low = ends[1], ci_high = ends[2], statistic = unname(test$statistic), p = test$p.value,
    effect_size = delta, effect_low = 2 * ends[1] - 1, effect_high = 2 * ends[2] - 1)
}

kruskal <- function(d) {
  test <- kruskal.test(y ~ form, d)
  h <- unname(test$statistic)
  c(statistic = h, df = unname(test$parameter), p = test$p.value, effect_size = h / ((nrow(d)^2 - 1) / (nrow(d) + 1)))
}

control <- clm.control(gradTol = 1e-10, maxIter = 500)
ordinal_fit <- function(d, first = levels(d$form)[1]) {
  d$y <- factor(d$y)
  d$form <- relevel(d$form, first)
  list(fit = clm(y ~ form, data = d, control = control), null = clm(y ~ 1, data = d, control = control),
       # Without proportional odds nothing is left to constrain: each group has shares of its own.
       free = nnet::multinom(y ~ form, d, trace = FALSE, reltol = 1e-15, abstol = 1e-12, maxit = 10000))
}
ordinal_test <- function(d) {
  fits <- ordinal_fit(d)
  ratio <- 2 * as.numeric(logLik(fits$fit) - logLik(fits$null))
  df <- nlevels(d$form) - 1
  beyond <- -fits$free$deviance - 2 * as.numeric(logLik(fits$fit))
  df_beyond <- (length(unique(d$y)) - 2) * df
  c(statistic = ratio, df = df, p = pchisq(ratio, df, lower.tail = FALSE),
    proportional_odds_p = pchisq(beyond, df_beyond, lower.tail = FALSE))
}
ordinal_pair <- function(d, pair) {
  row <- coef(summary(ordinal_fit(d, pair[2])$fit))[paste0("form", pair[1]), ]
  ends <- row[["Estimate"]] + c(-1, 1) * qnorm(.975) * row[["Std. Error"]]
  c(estimate = row[["Estimate"]], se = row[["Std. Error"]], ci_low = ends[1], ci_high = ends[2],
    statistic = row[["z value"]], p = row[["Pr(>|z|)"]],
    effect_size = exp(row[["Estimate"]]), effect_low = exp(ends[1]), effect_high = exp(ends[2]))
}

mixed <- function(score, groups, clusters) {
  d <- present(score, groups)
  d$cluster <- d$team
  formula <- if (clusters == "team") y ~ 0 + form + (1 | team) else y ~ 0 + form + (1 | organisation) + (1 | team)
  fit <- suppressMessages(lmer(formula, d, control = lmerControl(optCtrl = list(ftol_abs = 1e-14, xtol_abs = 1e-10))))
  variances <- as.data.frame(VarCorr(fit))
  total <- sum(variances$vcov)
  names <- levels(d$form)
  rows <- function(L) {
    test <- contest(fit, L, joint = FALSE, confint = TRUE)
    data.frame(estimate = test$Estimate, se = test$`Std. Error`, ci_low = test$lower, ci_high = test$upper,
               statistic = test$`t value`, df = test$df, p = test$`Pr(>|t|)`)
  }
  L <- do.call(rbind, lapply(pairs_of(d), function(pair) (names == pair[1]) - (names == pair[2])))
  differences <- rows(L)
  differences$effect_size <- differences$estimate / sqrt(total)
  differences$effect_low <- differences$ci_low / sqrt(total)
  differences$effect_high <- differences$ci_high / sqrt(total)
  pairs <- cbind(score = score, group_1 = sapply(pairs_of(d), `[`, 1), group_2 = sapply(pairs_of(d), `[`, 2), differences)
  pairs$p_adjusted <- p.adjust(pairs$p, "holm")
  joint <- contest(fit, L[seq_len(length(names) - 1), , drop = FALSE], joint = TRUE)
  test <- if (length(groups) == 2) differences else
    data.frame(statistic = joint$`F value`, df = joint$NumDF, df_error = joint$DenDF, p = joint$`Pr(>F)`)
  icc <- variances$vcov[variances$grp != "Residual"] / total
  names(icc) <- variances$grp[variances$grp != "Residual"]
  list(table = cbind(score = score, test, n = nrow(d)), pairwise = pairs,
       means = cbind(score = score, group = names, rows(diag(length(names)))[c("estimate", "se", "ci_low", "ci_high")]),
       icc = c(score = score, as.list(icc)))
}

frame <- function(rows) do.call(rbind, rows)
omnibus <- function(groups, test) {
  found <- frame(lapply(scores, function(s) {
    d <- present(s, groups)
    if (nlevels(d$form) < 2) NULL else data.frame(score = s, as.list(test(d)), n = nrow(d))
  }))
  found$p_adjusted <- p.adjust(found$p, "holm")
  found
}
pairwise <- function(groups, test) frame(lapply(scores, function(s) {
  d <- present(s, groups)
  rows <- frame(lapply(pairs_of(d), function(pair)
    data.frame(score = s, group_1 = pair[1], group_2 = pair[2], as.list(test(d, pair)))))
  rows$p_adjusted <- p.adjust(rows$p, "holm")
  rows
}))
split_by <- function(test) function(d, pair) test(d$y[d$form == pair[1]], d$y[d$form == pair[2]])
single <- function(test) function(d) test(d, levels(d$form))

three <- c("P", "C", "M"); two <- c("P", "C")
all_scores <- scores
ordinal_two <- function() {
  found <- omnibus(two, function(d) {
    pair <- ordinal_pair(d, levels(d$form)); test <- ordinal_test(d)
    c(pair[c("estimate", "se", "ci_low", "ci_high", "effect_size", "effect_low", "effect_high")],
      test[c("statistic", "df", "p", "proportional_odds_p")])
  })
  found
}

means <- frame(lapply(scores, function(s) frame(lapply(three, function(g) {
  y <- na.omit(data[[s]][data$form == g])
  if (length(y) < 2) return(NULL)
  ci <- t.test(y)$conf.int
  data.frame(score = s, group = g, n = length(y), mean = mean(y), sd = sd(y), se = sd(y) / sqrt(length(y)),
             ci_low = ci[1], ci_high = ci[2])
}))))

skew <- function(y) {
  n <- length(y); m <- y - mean(y)
  sqrt(n * (n - 1)) / (n - 2) * mean(m^3) / mean(m^2)^1.5
}
assumptions <- frame(lapply(scores, function(s) {
  d <- present(s, three)
  skews <- tapply(d$y, d$form, skew); sds <- tapply(d$y, d$form, sd)
  d$deviation <- abs(d$y - ave(d$y, d$form, FUN = median))
  data.frame(score = s, smallest_n = min(table(data$form[!is.na(data[[s]])])), skewness = skews[which.max(abs(skews))],
             sd_ratio = max(sds) / min(sds),
             equal_variance_p = anova(lm(deviation ~ form, d))$`Pr(>F)`[1],
             lowest_percent = 100 * mean(d$y == min(d$y)), highest_percent = 100 * mean(d$y == max(d$y)))
}))

mixed_all <- function(groups, clusters) {
  fits <- lapply(all_scores, mixed, groups = groups, clusters = clusters)
  part <- function(name) frame(lapply(fits, `[[`, name))
  table <- part("table")
  table$p_adjusted <- p.adjust(table$p, "holm")
  list(table = table, pairwise = part("pairwise"), means = part("means"), icc = unname(lapply(fits, `[[`, "icc")))
}

oracle <- list(
  versions = list(R = R.version.string, ordinal = as.character(packageVersion("ordinal")),
                  lme4 = as.character(packageVersion("lme4")), lmerTest = as.character(packageVersion("lmerTest"))),
  means = means,
  assumptions = assumptions,
  welch_two = omnibus(two, single(split_by(welch_pair))),
  welch_three = omnibus(three, welch_anova),
  welch_pairs = pairwise(three, split_by(welch_pair)),
  rank_two = omnibus(two, single(split_by(rank_pair))),
  rank_three = omnibus(three, kruskal),
  rank_pairs = pairwise(three, split_by(rank_pair)),
  mixed_team_two = mixed_all(two, "team"),
  mixed_team_three = mixed_all(three, "team"),
  mixed_nested_three = mixed_all(three, "organisation")
)
scores <- scores[c("culture", "item", "sparse")]
oracle$ordinal_two <- ordinal_two()
oracle$ordinal_three <- omnibus(three, ordinal_test)
oracle$ordinal_pairs <- pairwise(three, ordinal_pair)

write_json(oracle, "groups.json", digits = NA, auto_unbox = TRUE, pretty = TRUE, na = "null", rownames = FALSE)
