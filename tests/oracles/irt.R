# Oracle of analysis/irt.py. Run here: Rscript --vanilla irt.R
#
# No package of Debian's R fits graded response models: `graded` maximises the marginal likelihood by brute force,
# written from Samejima (1969) without derivatives. Ordinal logistic regression is ordinal::clm.
suppressMessages({library(ordinal); library(jsonlite)})

nodes <- seq(-6, 6, length.out = 81)
weights <- dnorm(nodes) / sum(dnorm(nodes))

graded <- function(d) {
  d <- as.matrix(d)
  codes <- apply(d, 2, function(x) match(x, sort(unique(x))))
  counts <- apply(codes, 2, max, na.rm = TRUE)
  chosen <- do.call(cbind, lapply(seq_along(counts), function(i) {
    one <- outer(codes[, i], seq_len(counts[i]), "==") * 1
    one[is.na(one)] <- 0
    one
  }))
  # Slope and intercepts of each item; intercepts fall: the first, then the logs of the drops.
  unpack <- function(p) {
    at <- 0
    lapply(counts, function(k) {
      own <- p[at + seq_len(k)]
      at <<- at + k
      list(a = own[1], d = own[2] - cumsum(c(0, exp(own[-(1:2)]))))
    })
  }
  log_likelihood <- function(p) {
    log_p <- do.call(rbind, lapply(unpack(p), function(item) {
      reached <- rbind(1, plogis(outer(item$d, item$a * nodes, "+")), 0)
      log(pmax(reached[-nrow(reached), ] - reached[-1, ], 1e-300))
    }))
    sum(log(exp(chosen %*% log_p) %*% weights))
  }
  total <- scale(rowMeans(d, na.rm = TRUE))
  start <- unlist(lapply(seq_along(counts), function(i) {
    x <- codes[, i]
    d <- qlogis(sapply(2:counts[i], function(k) mean(x >= k, na.rm = TRUE))) * 1.2
    c(sign(cor(x, total, use = "complete.obs")), d[1], log(pmax(-diff(d), .05)))
  }))
  fit <- list(par = start)
  for (again in 1:2) {
    fit <- optim(fit$par, log_likelihood, method = "BFGS", control = list(fnscale = -1, reltol = 1e-15, maxit = 1000,
      ndeps = rep(1e-5, length(start))))
  }
  # Observed information by differences, in the parameters packed here; delta method to slopes and locations.
  values <- function(p) unlist(lapply(unpack(p), function(item) c(item$a, -item$d / item$a)))
  covariance <- solve(-optimHess(fit$par, log_likelihood, control = list(ndeps = rep(1e-4, length(start)))))
  step <- 1e-5
  jacobian <- sapply(seq_along(fit$par), function(k) {
    up <- low <- fit$par
    up[k] <- up[k] + step
    low[k] <- low[k] - step
    (values(up) - values(low)) / (2 * step)
  })
  list(loglik = fit$value, estimate = values(fit$par), se = sqrt(diag(jacobian %*% covariance %*% t(jacobian))),
    npar = length(start))
}

# Each item on the sum of all, on group, and on their product.
functioning <- function(items, group) {
  total <- rowSums(items)
  total <- (total - mean(total)) / sqrt(mean((total - mean(total))^2))
  lapply(items, function(x) {
    y <- factor(x, ordered = TRUE)
    models <- list(clm(y ~ total), clm(y ~ total + group), clm(y ~ total * group))
    null <- as.numeric(logLik(clm(y ~ 1)))
    l <- sapply(models, function(m) as.numeric(logLik(m)))
    n <- length(y)
    nagelkerke <- (1 - exp(2 * (null - l) / n)) / (1 - exp(2 * null / n))
    beta <- summary(models[[2]])$coefficients
    beta3 <- summary(models[[3]])$coefficients
    last <- function(m, k) unname(m[(nrow(m) - k + 1):nrow(m), 1:2, drop = FALSE])
    g <- nlevels(group) - 1
    list(loglik = l, statistic = list(uniform = 2 * (l[2] - l[1]), non_uniform = 2 * (l[3] - l[2]),
        total = 2 * (l[3] - l[1])),
      mcfadden = (l[3] - l[1]) / -null, nagelkerke = nagelkerke[3] - nagelkerke[1],
      group = last(beta, g), product = last(beta3, g))
  })
}

people <- read.csv("data/bfi_people.csv")
neuroticism <- paste0("N", 1:5)
kept <- people[complete.cases(people[, c(neuroticism, "gender")]), ]
three <- factor(c("x", "y", "z")[1 + seq_len(nrow(kept)) %% 3])
complete <- read.csv("data/bfi.csv")[1:500, ]
gaps <- read.csv("data/bfi_gaps.csv")

out <- list(
  versions = list(R = paste(R.version$major, R.version$minor, sep = "."), ordinal = as.character(packageVersion("ordinal"))),
  graded = list(neuroticism = graded(complete[, neuroticism]), agreeableness = graded(complete[, paste0("A", 1:5)]),
    gaps = graded(gaps[, paste0("E", 1:5)])),
  functioning = list(
    gender = functioning(kept[, neuroticism], factor(kept$gender)),
    three = functioning(kept[, neuroticism], three))
)
write(toJSON(out, digits = NA, auto_unbox = TRUE, pretty = TRUE), "irt.json")
