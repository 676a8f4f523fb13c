# Oracle of analysis/hypotheses.py. Run here: Rscript --vanilla hypotheses.R
suppressMessages({library(psych); library(jsonlite)})

# Correlations: scales of the Big Five as scores; ten neighbouring rows stand in for a team.
bfi <- read.csv("data/bfi.csv")
bfi <- head(bfi[complete.cases(bfi), ], 400)
scores <- data.frame(agree = rowMeans(bfi[, c("A2", "A3", "A4", "A5")]), extra = rowMeans(bfi[, c("E3", "E4", "E5")]),
  nervous = rowMeans(bfi[, paste0("N", 1:5)]))
cluster <- rep(1:40, each = 10)
reliability <- c(agree = .70, extra = .65, nervous = .85)

pearson <- function(x, y) {
  test <- cor.test(x, y)
  list(r = unname(test$estimate), ci = test$conf.int)
}
# Bonett & Wright (2000).
spearman <- function(x, y) {
  r <- cor(x, y, method = "spearman")
  list(r = r, ci = tanh(atanh(r) + c(-1, 1) * qnorm(.975) * sqrt((1 + r^2 / 2) / (length(x) - 3))))
}
jackknife <- function(x, y, kind) {
  r <- cor(x, y, method = kind)
  z <- sapply(unique(cluster), function(g) atanh(cor(x[cluster != g], y[cluster != g], method = kind)))
  g <- length(z)
  se <- sqrt((g - 1) / g * sum((z - mean(z))^2))
  list(r = r, ci = tanh(atanh(r) + c(-1, 1) * qt(.975, g - 1) * se))
}
pairs <- list(c("agree", "extra"), c("agree", "nervous"), c("extra", "nervous"))
correlations <- lapply(pairs, function(p) {
  x <- scores[[p[1]]]; y <- scores[[p[2]]]
  r <- cor(x, y)
  attenuation <- suppressWarnings(psych::correct.cor(matrix(c(1, r, r, 1), 2), reliability[p]))
  list(pair = p, pearson = pearson(x, y), spearman = spearman(x, y), jackknife = jackknife(x, y, "pearson"),
    jackknife_ranks = jackknife(x, y, "spearman"), disattenuated = attenuation[1, 2])
})

# Change: scores in steps of 5 with many ties, and a rating of seven points.
set.seed(7)
n <- 240
felt <- rnorm(n, .4)
before <- round(rnorm(n, 50, 15) / 5) * 5
change <- round((8 * felt + rnorm(n, 0, 8)) / 5) * 5
anchor <- as.integer(cut(felt + rnorm(n, 0, .5), c(-Inf, -2, -1.2, -.4, .4, 1.2, 2, Inf)))
improved <- anchor > 4

# Of one sample: logistic regression by glm, adjustments by their formulas (Terluin et al., 2017, 2022).
statistics <- function(change, improved, before) {
  fit <- coef(glm(improved ~ change, family = binomial, control = glm.control(epsilon = 1e-14, maxit = 100)))
  odds <- qlogis(mean(improved))
  predicted <- unname((odds - fit[1]) / fit[2])
  r <- cor(change, improved); s <- sd(change)
  values <- sort(unique(change)); cuts <- head(values, -1) + diff(values) / 2
  youden <- sapply(cuts, function(k) mean(change[improved] > k) + mean(change[!improved] < k) - 1)
  better <- change[improved]; other <- change[!improved]
  kernel <- outer(better, other, function(a, b) (a > b) + (a == b) / 2)
  c(mic_predicted = predicted, mic_adjusted = predicted - (.090 + .103 * r) * s * odds,
    mic_improved_adjusted = predicted - (.8 / .75 - .5) * s * r * odds,
    mic_roc = mean(cuts[youden > max(youden) - 1e-12]), auc = mean(kernel), srm = mean(change) / s,
    effect_size = mean(change) / sd(before))
}
point <- statistics(change, improved, before)

# DeLong, DeLong & Clarke-Pearson (1988), by their definition.
kernel <- outer(change[improved], change[!improved], function(a, b) (a > b) + (a == b) / 2)
auc <- mean(kernel)
delong <- auc + c(-1, 1) * qnorm(.975) * sqrt(var(rowMeans(kernel)) / nrow(kernel) + var(colMeans(kernel)) / ncol(kernel))
if (requireNamespace("pROC", quietly = TRUE)) {
  roc <- pROC::roc(improved, change, quiet = TRUE, direction = "<")
  stopifnot(max(abs(as.numeric(pROC::ci.auc(roc))[c(1, 3)] - delong)) < 1e-12,
    abs(mean(pROC::coords(roc, "best", ret = "threshold")$threshold) - point[["mic_roc"]]) < 1e-10)
}

# Percentile intervals; ours draw other samples.
draws <- t(replicate(1500, { i <- sample(n, replace = TRUE); suppressWarnings(statistics(change[i], improved[i], before[i])) }))

out <- list(
  versions = list(R = as.character(getRversion()), psych = as.character(packageVersion("psych"))),
  scores = as.list(scores), cluster = cluster, reliability = as.list(reliability), correlations = correlations,
  change = change, anchor = anchor, before = before, point = as.list(point), delong = delong,
  anchor_correlation = spearman(change, anchor), anchor_before = spearman(before, anchor), anchor_after = spearman(before + change, anchor),
  bootstrap = lapply(as.list(as.data.frame(draws)), function(v) list(low = unname(quantile(v, .025)), high = unname(quantile(v, .975)), sd = sd(v)))
)
write_json(out, "hypotheses.json", digits = NA, auto_unbox = TRUE)
