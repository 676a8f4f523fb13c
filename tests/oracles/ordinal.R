# Oracle for analysis/ordinal.py: thresholds, polychoric and polyserial correlations and their covariance by
# lavaan, smoothing by psych.
#   cd tests/oracles && Rscript --vanilla ordinal.R     writes data/ordinal_*.csv and ordinal.json
suppressMessages({library(lavaan); library(psych); library(jsonlite)})

write_data <- function(frame, name) {
  write.csv(frame, file.path("data", paste0("ordinal_", name, ".csv")), row.names = FALSE, na = "", quote = FALSE)
}
normal <- function(n, r) matrix(rnorm(n * ncol(r)), n) %*% chol(r)
one_factor <- function(loadings) { r <- tcrossprod(loadings); diag(r) <- 1; r }

# 150 people, 6 skewed five-point items, up to a strong pair: empty cells, categories with one or two people.
set.seed(31)
behind <- normal(150, one_factor(c(0.9, 0.85, 0.7, 0.6, -0.6, 0.5)))
cuts <- list(c(-2.2, -1.7, -1, 0), c(-1.9, -1.5, -0.7, 0.4), c(-1.2, 0.3, 1.3, 2), c(-2, -1, 0, 1),
             c(0.3, 1.1, 1.6, 2.1), c(-1, 0, 1.2, 2.2))
sparse <- as.data.frame(sapply(1:6, function(i) findInterval(behind[, i], cuts[[i]]) + 1))
names(sparse) <- letters[1:6]
write_data(sparse, "sparse")

# 80 people, 4 items of two categories: two tables with an empty cell, in either diagonal; one half and half.
set.seed(4)
behind <- normal(80, one_factor(c(0.9, 0.9, -0.8, 0.5)))
binary <- as.data.frame(cbind(behind[, 1] > 1.5, behind[, 2] > 0, behind[, 3] > 1.4, behind[, 4] > 0) * 1)
names(binary) <- letters[1:4]
binary$d <- (rank(behind[, 4]) > 40) * 1
write_data(binary, "binary")

# Holzinger and Swineford's tests cut at their own quantiles: 2 to 6 categories, skewed either way.
tests <- read.csv("data/holzinger.csv")[paste0("x", 1:9)]
shares <- list(0.5, c(0.2, 0.6), c(0.1, 0.3, 0.9), c(0.1, 0.3, 0.5, 0.8), c(0.05, 0.2, 0.4, 0.6, 0.8), 0.85,
               c(0.7, 0.9), c(0.25, 0.5, 0.75), c(0.02, 0.1, 0.5, 0.95))
unequal <- as.data.frame(mapply(function(x, p) findInterval(x, quantile(x, p, type = 1), left.open = TRUE) + 1,
                                tests, shares))
write_data(unequal, "unequal")

# Strong correlations: 500 people, .99, .95 and -.97.
set.seed(5)
r <- matrix(c(1, 0.99, -0.95, 0.99, 1, -0.95, -0.95, -0.95, 1), 3)
strong <- as.data.frame(sapply(as.data.frame(normal(500, r)), function(x) findInterval(x, c(-1, 0, 0.7, 1.5)) + 1))
names(strong) <- letters[1:3]
write_data(strong, "strong")

bfi <- read.csv("data/bfi_people.csv")[1:25]
gaps <- read.csv("data/bfi_gaps.csv")
sets <- list(bfi = bfi, gaps = gaps, sparse = sparse, binary = binary, unequal = unequal, strong = strong)

moments <- function(set, way, keep) {
  data <- sets[[set]]
  if (way == "listwise") data <- na.omit(data)
  names <- names(data)
  model <- paste("behind =~", paste(names, collapse = " + "))
  fit <- suppressWarnings(cfa(model, data, ordered = names, estimator = "WLSMV", missing = way, do.fit = FALSE))
  # lavaan warns of empty cells and of items that nobody could tell apart
  cor <- suppressWarnings(lavCor(data, ordered = names, missing = way))
  gamma <- unclass(lavInspect(fit, "gamma"))
  dimnames(gamma) <- NULL
  rows <- if (is.null(keep)) seq_len(ncol(gamma)) else keep
  list(set = set, missing = way, n = lavInspect(fit, "nobs"),
       correlations = unname(unclass(cor))[lower.tri(cor)],
       thresholds = unname(as.vector(unclass(lavInspect(fit, "sampstat")$th))),
       gamma_diagonal = diag(gamma), gamma_rows = rows, gamma = gamma[rows, rows])
}
found <- list(
  moments("bfi", "listwise", c(1, 5, 6, 62, 121, 125, 126, 127, 140, 149, 150, 200, 250, 299, 300, 350, 400, 424, 425)),
  moments("gaps", "pairwise", c(1, 5, 6, 62, 121, 125, 126, 127, 140, 149, 150, 200, 250, 299, 300, 350, 400, 424, 425)),
  moments("sparse", "listwise", NULL),
  moments("binary", "listwise", NULL),
  moments("unequal", "listwise", NULL),
  moments("strong", "listwise", NULL)
)

# Polyserial: ordered items with continuous tests.
mixed <- cbind(unequal[c("x1", "x5", "x6", "x8")], tests[c("x2", "x4", "x9")])
names(mixed) <- c("a", "b", "c", "d", "u", "v", "w")
ordered_items <- c("a", "b", "c", "d")
serial <- function(mixed, way) {
  both <- suppressWarnings(lavCor(mixed, ordered = ordered_items, missing = way))
  fit <- suppressWarnings(cfa("behind =~ a + b + c + d + u + v + w", mixed, ordered = ordered_items,
                              estimator = "WLSMV", missing = way, do.fit = FALSE))
  # Γ is that of covariances; the delta method turns it into that of correlations.
  gamma <- unclass(lavInspect(fit, "gamma"))
  sample_cov <- lavInspect(fit, "sampstat")$cov
  delta_se <- function(item, v) {
    at <- c(intersect(c(paste0(item, "~~", v), paste0(v, "~~", item)), rownames(gamma)), paste0(v, "~~", v))
    variance <- sample_cov[v, v]
    slope <- c(1 / sqrt(variance), -sample_cov[item, v] / (2 * variance^1.5))
    sqrt(drop(slope %*% gamma[at, at] %*% slope) / lavInspect(fit, "nobs"))
  }
  rows <- expand.grid(variable = c("u", "v", "w"), item = ordered_items, stringsAsFactors = FALSE)
  data.frame(item = rows$item, variable = rows$variable, estimate = mapply(function(i, v) both[i, v], rows$item, rows$variable),
             se = mapply(delta_se, rows$item, rows$variable), row.names = NULL)
}
gappy <- mixed
gappy$a[seq(1, 301, 7)] <- NA
gappy$u[seq(3, 301, 11)] <- NA
polyserial <- list(listwise = serial(mixed, "listwise"), pairwise = serial(gappy, "pairwise"))

# A matrix that is not positive definite.
indefinite <- matrix(c(1, .9, .1, .3, .9, 1, .9, .2, .1, .9, 1, .4, .3, .2, .4, 1), 4)
smooth <- suppressWarnings(cor.smooth(indefinite))

packages <- c("lavaan", "psych", "jsonlite")
versions <- c(R = as.character(getRversion()), sapply(packages, function(p) as.character(packageVersion(p))))
rounded <- function(x) if (is.list(x)) lapply(x, rounded) else if (is.double(x)) signif(x, 9) else x
write_json(rounded(list(versions = as.list(versions), moments = found, polyserial = polyserial, indefinite = indefinite,
                        smoothed = smooth)), "ordinal.json", digits = NA, auto_unbox = TRUE)
