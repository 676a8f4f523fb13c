# Oracle of analysis/retest.py. Run here: Rscript --vanilla retest.R
suppressMessages({library(psych); library(jsonlite)})

# Shrout & Fleiss (1979): 6 people, 4 occasions. The others are five items of bfi that stand in for occasions.
shrout <- data.frame(t1 = c(9, 6, 8, 7, 10, 6), t2 = c(2, 1, 4, 1, 5, 2), t3 = c(5, 3, 6, 2, 6, 4), t4 = c(8, 2, 8, 6, 9, 7))
bfi <- read.csv("data/bfi.csv")
bfi <- bfi[complete.cases(bfi), ]
sets <- list(shrout = shrout, nervous = bfi[, c("N1", "N2", "N3")], pair = bfi[1:150, c("N1", "N2")])

# Limits of agreement through base R's noncentral t, which is exact up to noncentrality 37.62 (n = 368).
limits <- function(d) {
  n <- nrow(d)
  z <- qnorm(.975)
  lapply(combn(ncol(d), 2, simplify = FALSE), function(pair) {
    difference <- d[[pair[2]]] - d[[pair[1]]]
    test <- t.test(difference)
    s <- sd(difference)
    reach <- suppressWarnings(qt(c(.025, .975), n - 1, z * sqrt(n))) / sqrt(n)
    level <- suppressWarnings(cor.test(abs(difference), rowMeans(d[pair]), method = "spearman", exact = FALSE))
    m <- mean(difference)
    list(mean = m, se = s / sqrt(n), ci = test$conf.int, t = unname(test$statistic), p = test$p.value,
      low = c(m - z * s, m - reach[2] * s, m - reach[1] * s), high = c(m + z * s, m + reach[1] * s, m + reach[2] * s),
      level = unname(level$estimate))
  })
}

# Standard errors of measurement from the mean squares of aov.
errors <- function(d) {
  long <- data.frame(y = unlist(d), person = factor(rep(seq_len(nrow(d)), ncol(d))), occasion = factor(rep(names(d), each = nrow(d))))
  squares <- setNames(summary(aov(y ~ person + occasion, long))[[1]][["Mean Sq"]], c("person", "occasion", "error"))
  n <- nrow(d); k <- ncol(d); df <- (n - 1) * (k - 1)
  shift <- max(0, (squares[["occasion"]] - squares[["error"]]) / n)
  total <- shift + squares[["error"]]
  # Variance of the estimate with the occasions as they were: their mean square is noncentral chi-square.
  lambda <- (k - 1) * (squares[["occasion"]] / squares[["error"]] - 1)
  scale <- squares[["error"]] / (k - 1)
  variance <- scale^2 * (2 * (k - 1) + 4 * lambda) / n^2 + ((n - 1) / n)^2 * 2 * squares[["error"]]^2 / df
  df_total <- 2 * total^2 / variance
  if (shift == 0) df_total <- df
  interval <- function(v, df) sqrt(c(v, df * v / qchisq(c(.975, .025), df)))
  list(agreement = interval(total, df_total), consistency = interval(squares[["error"]], df),
    sdc_individual = qnorm(.975) * sqrt(2) * sqrt(total), sdc_group = qnorm(.975) * sqrt(2) * sqrt(total) / sqrt(n))
}

icc <- function(d) {
  r <- ICC(d, lmer = FALSE)$results
  list(type = r$type, estimate = r$ICC, f = r$F, df = r$df1, df_error = r$df2, p = r$p, low = r$`lower bound`, high = r$`upper bound`)
}

# Teams: 12 people of each of 30 invented teams (equal), and teams of 2 to 13 (unequal); answers of bfi's N1.
# Nothing of Debian's R gives ICC(2), r_wg or intervals for unequal teams: they are worked out here from their formulas.
people <- head(bfi[, c("N1", "N2", "N3")], 216)
people$N1[people$N1 == 6] <- 5; people$N2[people$N2 == 6] <- 5; people$N3[people$N3 == 6] <- 5
people <- people[order(rowSums(people) + 6 * sin(seq_len(216))), ]  # so that neighbours are alike: teams differ
equal <- rep(1:18, each = 12)
unequal <- rep(seq_len(27), times = rep(c(2, 3, 5, 7, 9, 10, 12, 11, 13), 3))
teams <- function(d, team) {
  score <- rowMeans(d)
  team <- factor(team)
  a <- summary(aov(score ~ team))[[1]]
  msb <- a[["Mean Sq"]][1]; msw <- a[["Mean Sq"]][2]
  sizes <- as.numeric(table(team)); n <- sum(sizes); g <- length(sizes)
  k <- (n - sum(sizes^2) / n) / (g - 1)
  # Wald (1940): weighted least squares F for a given ratio of variances, from generalised least squares by lm.
  means <- tapply(score, team, mean)
  gls <- function(ratio) sum(residuals(lm(means ~ 1, weights = sizes / (1 + sizes * ratio)))^2 * sizes / (1 + sizes * ratio)) / (g - 1) / msw
  bound <- function(q) uniroot(function(ratio) gls(ratio) - qf(q, g - 1, n - g), c(-0.999 / max(sizes), 50), tol = 1e-14)$root
  low <- bound(.975); high <- bound(.025)
  variances <- apply(d, 2, function(x) tapply(x, team, var))
  j <- ncol(d)
  p <- c(.05, .15, .20, .35, .25)
  chance <- c(uniform = (5^2 - 1) / 12, skewed = sum(p * (1:5)^2) - sum(p * 1:5)^2)
  rwg <- sapply(chance, function(s) {
    ratio <- pmin(rowMeans(variances) / s, 1)
    j * (1 - ratio) / (j * (1 - ratio) + ratio)
  })
  ad <- rowMeans(apply(d, 2, function(x) tapply(x, team, function(v) mean(abs(v - mean(v))))))
  list(team = as.integer(as.character(team)), icc_1 = c((msb - msw) / (msb + (k - 1) * msw), low / (1 + low), high / (1 + high)),
    icc_2 = c((msb - msw) / msb, k * low / (1 + k * low), k * high / (1 + k * high)),
    f = a[["F value"]][1], df = a[["Df"]], p = a[["Pr(>F)"]][1], chance = unname(chance),
    rwg_uniform = unname(rwg[, 1]), rwg_skewed = unname(rwg[, 2]), ad = unname(ad))
}
grouped <- list(equal = teams(people, equal), unequal = teams(people, unequal), one_item = teams(people["N1"], unequal))
# Equal teams of 12 are a table of 18 teams and 12 members: psych's one-way ICC must say the same.
members <- as.data.frame(t(matrix(rowMeans(people), nrow = 12)))
one_way <- ICC(members, lmer = FALSE)$results

out <- list(
  versions = list(R = as.character(getRversion()), psych = as.character(packageVersion("psych"))),
  sets = lapply(sets, as.list),
  icc = lapply(sets, icc),
  errors = lapply(sets, errors),
  limits = lapply(sets[c("shrout", "pair")], limits),
  answers = as.list(people),
  teams = grouped,
  one_way = list(icc_1 = unlist(one_way[1, c("ICC", "lower bound", "upper bound")], use.names = FALSE),
    icc_2 = unlist(one_way[4, c("ICC", "lower bound", "upper bound")], use.names = FALSE))
)
write_json(out, "retest.json", digits = NA, auto_unbox = TRUE)
