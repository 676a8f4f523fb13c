# Oracle of analysis/superiority.py: numerical influence values (boot::empinf) of statistics written with weights,
# DeLong's variance (pROC), Brunner and Munzel's formulas in base R, and ordinal::clm. Run here: Rscript --vanilla superiority.R
suppressMessages({library(boot); library(pROC); library(ordinal); library(jsonlite)})
d <- read.csv("data/change.csv")
score <- "total"
d <- d[!is.na(d[[score]]), ]
d$y <- d[[score]]
forms <- sort(unique(d$form))

# Statistics of a frame under weights of its rows: chance of superiority and standardised change, forms equal.
pair <- function(x, y) outer(x, y, function(a, b) (b > a) + .5 * (b == a))
average <- function(x, w) sum(w * x) / sum(w)
by_form <- function(data, w, f, by) mean(sapply(unique(data$form), function(each) {
  one <- if (by) data$form == each else rep(TRUE, nrow(data))
  f(data[one, ], w[one])
}))
chance <- function(by) function(data, w) by_form(data, w, function(part, v) {
  b <- part$wave == 0
  sum(outer(v[b], v[!b]) * pair(part$y[b], part$y[!b])) / sum(v[b]) / sum(v[!b])
}, by)
# The divisor n − 1 of the standard deviation belongs to the sample, not to the weights.
spread <- function(x, w) {
  n <- length(x)
  sqrt(average((x - average(x, w))^2, w) * n / (n - 1))
}
effect <- function(by) function(data, w) {
  b <- data$wave == 0
  by_form(data, w, function(part, v) average(part$y[part$wave == 1], v[part$wave == 1]) -
    average(part$y[part$wave == 0], v[part$wave == 0]), by) / spread(data$y[b], w[b])
}
influence <- function(data, statistic) empinf(data = data, statistic = statistic, type = "inf", stype = "w", eps = 1e-6 / nrow(data)) / nrow(data)

people <- function(data, value, by) {
  part <- interaction(if (by) data$form else 1, data$wave, drop = TRUE)
  n <- ave(value, part, FUN = length)
  summed <- tapply(value * sqrt(n / (n - 1)), data$person, sum)
  pattern <- tapply(as.integer(part), data$person, function(x) paste(sort(x), collapse = "+"))
  shares <- tapply(summed^2, pattern, sum); size <- tapply(summed, pattern, length)
  c(sqrt(sum(shares)), sum(shares)^2 / sum(shares^2 / pmax(size - 1, 1)))
}
clusters <- function(data, value) {
  summed <- tapply(value, data$organisation, sum)
  c(sqrt(length(summed) / (length(summed) - 1) * sum(summed^2)), length(summed) - 1)
}
described <- function(data, statistic, by, error) {
  e <- error(influence(data, statistic(by)))
  c(statistic(by)(data, rep(1, nrow(data))), e)
}
everyone <- function(data, by, error) list(
  chance = described(data, chance, by, error), effect = described(data, effect, by, error))

# Linked: one row a person on the same form twice.
wide <- merge(d[d$wave == 0, c("person", "form", "organisation", "y")], d[d$wave == 1, c("person", "form", "y")], by = c("person", "form"), suffixes = c("", "_after"))
linked_chance <- function(data, w) by_form(data, w, function(p, v) average((p$y_after > p$y) + .5 * (p$y_after == p$y), v), TRUE)
linked_effect <- function(data, w) by_form(data, w, function(p, v) average(p$y_after - p$y, v), TRUE) / spread(data$y, w)
linked <- function(f) {
  value <- influence(wide, f)
  n <- ave(value, wide$form, FUN = length)
  summed <- value * sqrt(n / (n - 1))
  shares <- tapply(summed^2, wide$form, sum); size <- tapply(summed, wide$form, length)
  list(people = c(f(wide, rep(1, nrow(wide))), sqrt(sum(shares)), sum(shares)^2 / sum(shares^2 / (size - 1))),
    clusters = c(f(wide, rep(1, nrow(wide))), clusters(wide, value)))
}

# Brunner and Munzel for two samples of other people.
apart <- d[!(d$wave == 1 & d$person %in% d$person[d$wave == 0]), ]
x <- apart$y[apart$wave == 0]; y <- apart$y[apart$wave == 1]
r <- rank(c(x, y)); m <- length(x); n <- length(y)
px <- r[seq_len(m)] - rank(x); py <- r[m + seq_len(n)] - rank(y)
vx <- var(px); vy <- var(py)
p <- (mean(r[m + seq_len(n)]) - (n + 1) / 2) / m
se <- sqrt(vx / (m * n^2) + vy / (n * m^2))
df <- (vx / (m * n^2) + vy / (n * m^2))^2 / ((vx / (m * n^2))^2 / (m - 1) + (vy / (n * m^2))^2 / (n - 1))
half <- qt(.975, df) * se / (p * (1 - p))
delong <- suppressMessages(roc(apart$wave, apart$y, direction = "<"))

# Proportional odds on a score of few values, form by wave.
d$few <- factor(round(d$y / 10), ordered = TRUE)
fit <- clm(few ~ wave * form, data = d, control = clm.control(gradTol = 1e-10))
slopes <- fit$beta
log_odds <- unname(slopes["wave"] + sum(slopes[grep("^wave:", names(slopes))]) / length(forms))

out <- list(
  versions = list(R = as.character(getRversion()), boot = as.character(packageVersion("boot")),
    pROC = as.character(packageVersion("pROC")), ordinal = as.character(packageVersion("ordinal"))),
  everyone = list(people = everyone(d, TRUE, function(v) people(d, v, TRUE)), clusters = everyone(d, TRUE, function(v) clusters(d, v)),
    together = everyone(d, FALSE, function(v) people(d, v, FALSE))),
  linked = list(n = nrow(wide), chance = linked(linked_chance), effect = linked(linked_effect)),
  brunner_munzel = list(estimate = p, se = se, df = df, low = plogis(qlogis(p) - half), high = plogis(qlogis(p) + half)),
  delong = list(auc = as.numeric(auc(delong)), se = sqrt(var(delong))),
  ordinal = log_odds
)
write_json(out, "superiority.json", digits = NA, auto_unbox = TRUE)
