# Oracle of analysis/missing.py, and of missing = "ml" in analysis/exploratory.py and analysis/reliability.py.
# Run here: Rscript missing.R (data/bfi_gaps.csv is that of data/factor_data.R)
#
# Writes its second data set first:
#   data/missing.csv   simulated: 200 people in two unequal groups, six 5-point items. The smaller group was asked
#     v5 hardly ever, v6 is missing more often the lower v1 is (missing at random), v4 has a rare answer, two people
#     answered one item only and one answered none.
suppressMessages({library(psych); library(lavaan); library(jsonlite)})

set.seed(77)
n <- 200
f <- rnorm(n)
v <- sapply(c(.8, .7, .7, .6, .6, .7), function(l) {
  as.integer(cut(l * f + sqrt(1 - l^2) * rnorm(n), c(-Inf, -1.5, -.5, .4, 1.2, Inf)))
})
colnames(v) <- paste0("v", 1:6)
v[, 4] <- ifelse(v[, 4] == 1L, 2L, v[, 4]); v[5, 4] <- 1L
v[1:50, 5][runif(50) < .85] <- NA
v[cbind(which(runif(n) < plogis(2 - v[, 1])), 6)] <- NA
v[, 1:4][runif(n * 4) < .08] <- NA
v[101, ] <- c(3L, NA, NA, NA, NA, NA); v[102, ] <- c(NA, NA, 2L, NA, NA, NA); v[103, ] <- NA
write.csv(v, "data/missing.csv", row.names = FALSE, na = "")

gaps <- read.csv("data/bfi_gaps.csv")
sets <- list(
  bfi = gaps,
  neuroticism = gaps[paste0("N", 1:5)],
  unequal = read.csv("data/missing.csv")
)
# lavaan's own default stops EM at a change of 1e-5 in the log-likelihood, coarser than our tolerance.
tight <- list(em.h1.tol = 1e-12, em.h1.iter.max = 20000, meanstructure = TRUE, std.lv = TRUE)
one_factor <- function(d) paste("f =~", paste(names(d), collapse = " + "))

moments <- function(d) {
  fit <- suppressWarnings(do.call("cfa", c(list(one_factor(d), d, missing = "ml", do.fit = FALSE), tight)))
  h1 <- lavInspect(fit, "sampstat")
  x <- !is.na(d[rowSums(!is.na(d)) > 0, ])
  both <- crossprod(x)
  list(item = names(d), mean = as.vector(h1$mean[names(d)]),
    covariance = unname(unclass(h1$cov)[names(d), names(d)]), n = lavInspect(fit, "nobs"),
    pairwise_n = min(both[upper.tri(both)]), share_missing = mean(!x))
}
stages <- function(syntax, d) {
  suppressWarnings(do.call("cfa", c(list(syntax, d, missing = "robust.two.stage"), tight)))
}

# Two-stage standard errors of the quantities that a fitted model defines (Savalei & Bentler, 2009, equation 8):
# (D'VD)^-1 D'V G VD (D'VD)^-1, G the sampling covariance of the saturated moments (sandwich, observed information).
# lavaan 0.6-14 can only evaluate V at the saturated moments; with complete answers (se = "robust.sem"), and ours
# with and without gaps, V is evaluated at the model's. First the same formula is shown to give lavaan's number.
two_stage <- function(fit, d) {
  h1 <- lavInspect(fit, "sampstat")
  x <- as.matrix(d[rowSums(!is.na(d)) > 0, rownames(h1$cov)])
  data <- fit@Data
  gamma <- lavaan:::lav_mvnorm_missing_h1_omega_sw(Y = data@X[[1]], Mp = data@Mp[[1]],
    Yp = fit@SampleStats@missing[[1]], Mu = h1$mean, Sigma = h1$cov, information = "observed")
  duplicate <- lav_matrix_duplication(ncol(x))
  slope <- lavInspect(fit, "delta")
  labels <- unclass(lavaan:::lav_func_jacobian_complex(fit@Model@def.function, coef(fit, type = "free")))
  errors <- function(sigma) {
    k <- solve(sigma)
    v <- lav_matrix_bdiag(k, t(duplicate) %*% (k %x% k) %*% duplicate / 2)
    bread <- solve(t(slope) %*% v %*% slope) %*% t(slope) %*% v
    sqrt(diag(labels %*% bread %*% gamma %*% t(bread) %*% t(labels)) / nrow(x))
  }
  pe <- parameterEstimates(fit)
  stopifnot(max(abs(errors(h1$cov) - pe$se[pe$op == ":="])) < 1e-4 * max(errors(h1$cov)))
  setNames(errors(fitted(fit)$cov), pe$label[pe$op == ":="])
}

scale <- function(d) {
  m <- moments(d)
  S <- m$covariance; dimnames(S) <- list(names(d), names(d))
  a <- suppressWarnings(psych::alpha(S, n.obs = m$pairwise_n, check.keys = FALSE, warnings = FALSE))
  feldt <- alpha.ci(a$total$raw_alpha, n.obs = m$pairwise_n, n.var = ncol(d))
  k <- seq_along(d)
  loads <- paste0("(", paste0("l", k, collapse = "+"), ")^2")
  fit <- stages(c(
    paste("f =~", paste0("l", k, "*", names(d), collapse = " + ")), paste0(names(d), " ~~ e", k, "*", names(d)),
    paste0("omega := ", loads, " / (", loads, "+", paste0("e", k, collapse = "+"), ")")), d)
  pe <- parameterEstimates(fit)
  # Saturated model: alpha and standardised alpha as functions of the covariances, with their two-stage errors.
  pairs <- which(upper.tri(diag(length(k)), TRUE), arr.ind = TRUE)
  label <- paste0("s", pairs[, 1], "_", pairs[, 2])
  own <- paste0("s", k, "_", k)
  off <- pairs[, 1] != pairs[, 2]
  total <- paste0("(", paste(own, collapse = "+"), "+2*(", paste(label[off], collapse = "+"), "))")
  r <- paste0("2*(", paste0(label[off], "/sqrt(s", pairs[off, 1], "_", pairs[off, 1], "*s", pairs[off, 2], "_",
    pairs[off, 2], ")", collapse = "+"), ")")
  p <- length(k)
  saturated <- suppressWarnings(do.call("sem", c(list(c(
    paste0(names(d)[pairs[, 1]], " ~~ ", label, "*", names(d)[pairs[, 2]]),
    paste0("alpha := ", p, "/(", p - 1, ")*(1-(", paste(own, collapse = "+"), ")/", total, ")"),
    paste0("standard := ", p, "/(", p - 1, ")*(1-", p, "/(", p, "+", r, "))")), d, missing = "robust.two.stage"),
    tight)))
  sp <- parameterEstimates(saturated)
  pick <- function(t, l, what) t[[what]][t$label == l]
  list(item = names(d), n = m$pairwise_n, mean = m$mean, sd = unname(sqrt(diag(S))),
    alpha = a$total$raw_alpha, alpha_low = feldt$lower.ci, alpha_high = feldt$upper.ci,
    alpha_se = pick(sp, "alpha", "se"), alpha_standardised = a$total$std.alpha,
    alpha_standardised_saturated = pick(sp, "standard", "est"), alpha_standardised_se = pick(sp, "standard", "se"),
    item_rest = a$item.stats$r.drop, alpha_if_dropped = a$alpha.drop$raw_alpha,
    omega = pick(pe, "omega", "est"), omega_se = unname(two_stage(fit, d)["omega"]),
    loading = standardizedSolution(fit)$est.std[k])
}

composite <- function(d, subscales) {
  d <- d[unlist(subscales)]
  for (s in subscales) d[s] <- d[s] / length(s)
  m <- moments(d)
  S <- m$covariance; dimnames(S) <- list(names(d), names(d))
  strata <- sapply(subscales, function(s) sum(S[s, s]))
  alphas <- sapply(subscales, function(s) length(s) / (length(s) - 1) * (1 - sum(diag(S[s, s])) / sum(S[s, s])))
  load <- lapply(subscales, function(s) c("1", paste0("l_", s[-1])))
  labelled <- sapply(names(subscales), function(f) {
    s <- subscales[[f]]
    paste(f, "=~ 1*", s[1], "+", paste0("l_", s[-1], "*", s[-1], collapse = " + "))
  })
  sums <- sapply(load, function(l) paste0("(", paste(l, collapse = "+"), ")"))
  general <- paste0("(", paste0(sums, "*g_", names(subscales), collapse = "+"), ")^2")
  particular <- paste0("(", paste0(sums, "^2*p_", names(subscales), collapse = "+"), ")")
  errors <- paste0("(", paste0("e_", names(d), collapse = "+"), ")")
  tight$std.lv <- FALSE
  fit <- suppressWarnings(do.call("cfa", c(list(c(labelled,
    paste("g =~ NA*", names(subscales)[1], "+", paste0("g_", names(subscales), "*", names(subscales), collapse = " + ")),
    "g ~~ 1*g", paste0(names(subscales), " ~~ p_", names(subscales), "*", names(subscales)),
    paste0(names(d), " ~~ e_", names(d), "*", names(d)),
    paste0("omega := ", general, "/(", general, "+", particular, "+", errors, ")"),
    paste0("omega_total := (", general, "+", particular, ")/(", general, "+", particular, "+", errors, ")")),
    d, missing = "robust.two.stage"), tight)))
  pe <- parameterEstimates(fit)
  errors <- two_stage(fit, d)
  pick <- function(l, what) pe[[what]][pe$label == l]
  list(n = m$pairwise_n, chi2 = unname(fitMeasures(fit, "chisq")), alpha_stratified = 1 - sum(strata * (1 - alphas)) / sum(S),
    omega_second_order = pick("omega", "est"), omega_second_order_se = unname(errors["omega"]),
    omega_total_second_order = pick("omega_total", "est"), omega_total_second_order_se = unname(errors["omega_total"]))
}

factors <- function(d, k, fm, rotate) {
  m <- moments(d)
  r <- cov2cor(m$covariance)
  s <- suppressWarnings(suppressMessages(fa(r, k, n.obs = m$n, fm = fm, rotate = rotate,
    min.err = 1e-9, max.iter = 5000, eps = 1e-8, maxit = 5000)))
  phi <- if (is.null(s$Phi)) diag(k) else s$Phi
  p <- unclass(s$loadings)
  km <- KMO(r)
  b <- cortest.bartlett(r, n = m$pairwise_n)
  invisible(capture.output(map <- vss(r, n = ncol(d) - 1, n.obs = m$pairwise_n, plot = FALSE, fm = "pc",
    rotate = "none")$map))
  list(n_factors = k, method = fm, rotation = rotate, n = m$pairwise_n, loadings = unname(p), phi = unname(phi),
    communality = unname(s$communality), chi2 = s$STATISTIC, df = s$dof, p = s$PVAL, tli = s$TLI, bic = s$BIC,
    rmsr = s$rms, weights = unname(factor.scores(r, p, phi, method = "Thurstone")$weights),
    kmo = km$MSA, msa = unname(km$MSAi), bartlett = b$chisq, bartlett_df = b$df,
    eigenvalues = eigen(r)$values, map = map)
}

reversed <- c("A1", "C4", "C5", "E1", "E2", "O2", "O5", paste0("N", 1:5))
turned <- gaps
turned[reversed] <- 7 - turned[reversed]
subscales <- list(A = c("A2", "A3", "A5"), C = paste0("C", 1:5), E = paste0("E", 1:4), N = paste0("N", 1:5))
out <- list(
  versions = c(list(R = as.character(getRversion())),
    lapply(setNames(nm = c("psych", "lavaan", "GPArotation")), function(p) as.character(packageVersion(p)))),
  moments = lapply(sets, moments),
  scales = list(neuroticism = scale(sets$neuroticism), unequal = scale(sets$unequal)),
  composite = composite(turned, subscales),
  factors = list(bfi = factors(sets$bfi, 5, "minres", "oblimin"), unequal = factors(sets$unequal, 1, "ml", "none"))
)
write_json(out, "missing.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", pretty = FALSE)
