# Oracle of analysis/describe.py and analysis/quality.py: base R and psych. Writes data/describe.csv and
# describe.json. Run in this folder: Rscript describe.R
suppressPackageStartupMessages({
  library(psych)
  library(jsonlite)
})

# --- Data: 3 subscales of 2 + 2 items, unequal groups, gaps, off-scale codes, one sparse item --------
set.seed(20260)
n <- 80
items <- as.vector(outer(c("1f", "1b", "2f", "2b"), c("a", "b", "c"), function(w, s) paste0(s, w)))
reversed <- grepl("b$", items)
trait <- matrix(rnorm(n * 3), n) * 0.6 + rnorm(n) * 0.6
latent <- trait[, rep(1:3, each = 4)] + matrix(rnorm(n * 12), n) * 0.8
latent[, reversed] <- -latent[, reversed]
answers <- matrix(findInterval(latent, c(-1.4, -0.5, 0.4, 1.3)) + 1, n, dimnames = list(NULL, items))
answers[, "b1f"] <- ifelse(answers[, "b1f"] > 4, 5, 4)       # two codes only
answers[1, ] <- 5                                            # a straight line
answers[2, ] <- 3                                            # all in the middle
answers[3, ] <- c(1, 2, 2, 2, 4, 4, 4, 4, 4, 1, 5, 5)        # a run
answers[matrix(runif(n * 12) < 0.06, n)] <- NA
off <- matrix(runif(n * 12), n)
answers[off < 0.06] <- 97
answers[off > 0.06 & off < 0.08] <- 98
answers[off > 0.99] <- 99
answers[3, 6] <- NA                                          # a gap inside the run
answers[1:2, ] <- rep(c(5, 3), 12)
form <- rep(c("P", "C", "M"), c(45, 25, 10))
answers[form == "C", "c2b"] <- NA                            # not asked in form C
answers[sample(4:n, 72), "a2b"] <- NA                        # a sparse item
people <- data.frame(
  response = sprintf("r%02d", 1:n), person = paste0("p", (0:(n - 1)) %% 50 + 1), form = form,
  wave = ifelse(1:n <= 50, 1, 2), organisation = paste0("o", (1:n) %% 4), team = paste0("t", (1:n) %/% 4 %% 3)
)
dir.create("data", showWarnings = FALSE)
write.csv(cbind(people, answers), "data/describe.csv", row.names = FALSE, quote = FALSE, na = "")

# --- describe ----------------------------------------------------------------------------------------
read <- read.csv("data/describe.csv", check.names = FALSE)
raw <- as.matrix(read[, items])
valid <- raw
valid[valid > 5] <- NA
asked <- matrix(TRUE, n, 12, dimnames = list(NULL, items))
asked[read$form == "C", "c2b"] <- FALSE

table_of <- lapply(items, function(i) {
  x <- valid[!is.na(valid[, i]), i]
  d <- psych::describe(x, type = 2)
  k <- sum(asked[, i])
  off <- sum(raw[, i] > 5, na.rm = TRUE)
  blank <- sum(is.na(raw[, i]) & asked[, i])
  list(
    item = i, asked = k, n = d$n, missing = blank, off_scale = off,
    percent_missing = 100 * blank / k, percent_off_scale = 100 * off / k,
    mean = d$mean, sd = d$sd, skewness = d$skew, kurtosis = d$kurtosis, median = d$median,
    percent_floor = 100 * mean(x == 1), percent_ceiling = 100 * mean(x == 5)
  )
})
distribution <- lapply(items, function(i) as.vector(table(factor(valid[, i], levels = 1:5))))

reasons <- c("dont_know", "does_not_apply", "not_started")
flow <- list()
off_scale <- list()
for (f in sort(unique(read$form))) for (w in 1:2) {
  here <- which(read$form == f & read$wave == w)
  if (!length(here)) next
  v <- valid[here, , drop = FALSE]; r <- raw[here, , drop = FALSE]; a <- asked[here, , drop = FALSE]
  flow[[length(flow) + 1]] <- list(
    form = f, wave = w, responses = length(here), people = length(unique(read$person[here])),
    organisations = length(unique(read$organisation[here])),
    teams = nrow(unique(read[here, c("organisation", "team")])),
    complete = sum(rowSums(is.na(v) & a) == 0), no_blank = sum(rowSums(is.na(r) & a) == 0),
    no_answer = sum(rowSums(!is.na(v)) == 0),
    median_percent_answered = median(100 * rowSums(!is.na(v)) / rowSums(a))
  )
  for (k in 1:3) {
    count <- sum(r == 96 + k, na.rm = TRUE)
    off_scale[[length(off_scale) + 1]] <-
      list(form = f, wave = w, reason = reasons[k], n = count, percent = 100 * count / sum(a))
  }
}
off_scale_subscales <- list()
for (s in c("a", "b", "c")) for (f in sort(unique(read$form))) {
  mine <- substr(items, 1, 1) == s
  r <- raw[read$form == f, mine]
  a <- asked[read$form == f, mine]
  count <- sum(r == 97 | r == 98, na.rm = TRUE)
  off_scale_subscales[[length(off_scale_subscales) + 1]] <-
    list(subscale = s, form = f, asked = sum(a), n = count, percent = 100 * count / sum(a))
}

# --- quality -----------------------------------------------------------------------------------------
in_sample_p <- function(d2, n, df)
  pbeta(pmin(n * d2 / (n - 1)^2, 1), df / 2, (n - df - 1) / 2, lower.tail = FALSE)

distances <- function(x, shrink_to = NULL) {
  S <- cov(x, use = "pairwise.complete.obs")
  smallest <- NA
  if (!is.null(shrink_to)) {
    R <- cov2cor(S)
    smallest <- min(eigen(R, symmetric = TRUE, only.values = TRUE)$values)
    w <- (shrink_to - smallest) / (1 - smallest)
    R <- (1 - w) * R + w * diag(ncol(x))
    S <- R * outer(sqrt(diag(S)), sqrt(diag(S)))
  }
  m <- colMeans(x, na.rm = TRUE)
  d2 <- sapply(seq_len(nrow(x)), function(i) {
    o <- !is.na(x[i, ])
    if (!any(o)) NA else mahalanobis(x[i, o], m[o], S[o, o, drop = FALSE])
  })
  list(d2 = d2, p = in_sample_p(d2, nrow(x), rowSums(!is.na(x))), smallest = smallest)
}
gaps <- distances(valid[, setdiff(items, "a2b")])
full <- valid[, setdiff(items, c("a2b", "c2b"))]
full <- apply(full, 2, function(v) ifelse(is.na(v), 3, v))   # gaps filled: complete data
complete <- list(d2 = mahalanobis(full, colMeans(full), cov(full)))
complete$p <- in_sample_p(complete$d2, n, ncol(full))
doubled <- cbind(full, again = full[, 1])
shrunk <- distances(doubled, shrink_to = 0.05)

longstring <- apply(valid, 1, function(v) { v <- v[!is.na(v)]; if (length(v)) max(rle(v)$lengths) else 0 })

# Consistency with its exact mean and standard deviation over every order of the answers, enumerated.
orders <- function(v) if (length(v) <= 1) list(v) else
  do.call(c, lapply(seq_along(v), function(i) lapply(orders(v[-i]), function(rest) c(v[i], rest))))
agreement <- function(u, key, scale) {
  total <- 0; pairs <- 0
  for (i in seq_along(u)) for (j in seq_along(u)) if (i != j && scale[i] == scale[j]) {
    total <- total + key[i] * u[i] * key[j] * u[j]
    pairs <- pairs + 1
  }
  if (all(u == 0)) 0 else (total / pairs) / mean(u^2)
}
few <- c("a1f", "a1b", "a2f", "b1f", "b1b", "b2b", "b2f")
rows <- 1:8
consistency <- t(sapply(rows, function(r) {
  o <- !is.na(valid[r, few])
  u <- valid[r, few][o] - 3
  key <- ifelse(grepl("b$", few), -1, 1)[o]
  scale <- substr(few, 1, 1)[o]
  all_orders <- sapply(orders(seq_along(u)), function(p) agreement(u[p], key, scale))
  m <- mean(all_orders)
  c(agreement(u, key, scale), max(m, 0) + 1.645 * sqrt(mean((all_orders - m)^2)), length(u))
}))

write(toJSON(list(
  versions = list(R = R.version.string, psych = as.character(packageVersion("psych")),
                  jsonlite = as.character(packageVersion("jsonlite"))),
  items = table_of, distribution = distribution, flow = flow, off_scale = off_scale,
  off_scale_subscales = off_scale_subscales, mahalanobis_gaps = gaps, mahalanobis_complete = complete,
  mahalanobis_shrunk = shrunk, longstring = longstring, consistency_items = few,
  consistency = list(index = consistency[, 1], limit = consistency[, 2], answered = consistency[, 3])
), auto_unbox = TRUE, digits = NA, na = "null", pretty = TRUE), "describe.json")
