# Oracle of analysis/exploratory.py. Run here: Rscript exploratory.R
suppressMessages({library(psych); library(GPArotation); library(jsonlite)})
source("data/factor_data.R")
options(mc.cores = 1)  # fa.parallel draws in parallel processes otherwise, beyond the reach of set.seed

complete <- function(file) { d <- read.csv(file.path("data", file)); d[complete.cases(d), ] }
data <- list(bfi = complete("bfi.csv"), bfi_gaps = complete("bfi_gaps.csv"), sparse = complete("sparse.csv"))

suitable <- function(d) {
  k <- KMO(cor(d))
  b <- cortest.bartlett(cor(d), n = nrow(d))
  list(kmo = k$MSA, msa = unname(k$MSAi), statistic = b$chisq, df = b$df, p = b$p.value)
}

parallel <- function(d) {
  set.seed(1)
  invisible(capture.output(
    p <- fa.parallel(d, SMC = TRUE, n.iter = 100, plot = FALSE)
  ))
  invisible(capture.output(m <- vss(d, n = ncol(d) - 1, plot = FALSE, fm = "pc", rotate = "none")$map))
  list(n_factors = p$nfact, n_components = p$ncomp, factor = p$fa.values, component = p$pc.values,
    factor_random = p$fa.sim, component_random = p$pc.sim, map = m)
}

# stats::varimax stops so early (eps = 1e-5, not reachable through psych) that loadings are 1e-3 from the
# maximum. The same steps as psych's varimax and promax, stopped late: Kaiser's weights, varimax, power 4.
tight_kaiser <- function(f, rotate) {
  h <- sqrt(rowSums(f^2))
  p <- unclass(stats::varimax(f / h, normalize = FALSE, eps = 1e-15)$loadings)
  phi <- diag(ncol(f))
  if (rotate == "promax") {
    turned <- stats::promax(p, m = 4)
    p <- unclass(turned$loadings)
    phi <- solve(crossprod(turned$rotmat))
  }
  p <- p * h
  sign <- diag(sign(colSums(p)))
  p <- p %*% sign
  phi <- sign %*% phi %*% sign
  order <- order(diag(phi %*% crossprod(p)), decreasing = TRUE)
  list(loadings = p[, order], phi = phi[order, order])
}

solution <- function(set, k, fm, rotate, ...) {
  d <- data[[set]]
  # `min.err` is psych's stopping rule for principal axes; its default of .001 is coarser than our tolerance.
  run <- function(rotate, ...) suppressWarnings(suppressMessages(fa(cor(d), k, n.obs = nrow(d), fm = fm,
    rotate = rotate, min.err = 1e-9, max.iter = 5000, ...)))
  s <- run(rotate, ...)
  phi <- if (is.null(s$Phi)) diag(k) else s$Phi
  p <- unclass(s$loadings)
  if (rotate %in% c("varimax", "promax")) {
    tight <- tight_kaiser(unclass(run("none")$loadings), rotate)
    stopifnot(max(abs(tight$loadings - p)) < 2e-3, max(abs(tight$phi - phi)) < 2e-3)
    p <- tight$loadings
    phi <- tight$phi
  }
  list(set = set, n_factors = k, method = fm, rotation = rotate,
    loadings = unname(p), phi = unname(phi), structure = unname(p %*% phi),
    communality = unname(s$communality), uniqueness = unname(s$uniquenesses), complexity = unname(rowSums(p^2)^2 / rowSums(p^4)), ss_loadings = unname(diag(phi %*% crossprod(p))),
    chi2 = s$STATISTIC, df = s$dof, p = s$PVAL, tli = s$TLI, bic = s$BIC, rmsr = s$rms,
    # psych divides chi-square by n and its expectation by n - 1; ours divides both by n - 1, as its interval does.
    rmsea_psych = unname(s$RMSEA[1]),
    rmsea = sqrt(max(s$STATISTIC - s$dof, 0) / (s$dof * (nrow(d) - 1))),
    ci90_low = unname(s$RMSEA[2]), ci90_high = unname(s$RMSEA[3]),
    regression = unname(factor.scores(d, p, phi, method = "Thurstone")$weights),
    # With one factor psych's own tenBerge weights do not give scores of variance 1, so there are none here.
    ten_berge = if (k > 1) unname(factor.scores(d, p, phi, method = "tenBerge")$weights))
}

tight <- list(eps = 1e-8, maxit = 5000)
solutions <- list(
  do.call(solution, c(list("bfi", 5, "minres", "oblimin"), tight)),
  do.call(solution, c(list("bfi", 5, "ml", "oblimin"), tight)),
  do.call(solution, c(list("bfi", 5, "pa", "oblimin"), tight)),
  do.call(solution, c(list("bfi", 5, "minres", "geominQ"), tight)),
  solution("bfi", 5, "minres", "promax"),
  solution("bfi", 5, "ml", "promax"),
  solution("bfi", 5, "minres", "varimax"),
  solution("bfi", 3, "minres", "none"),
  solution("bfi", 1, "ml", "none"),
  do.call(solution, c(list("bfi_gaps", 5, "minres", "oblimin"), tight)),
  do.call(solution, c(list("bfi_gaps", 4, "ml", "geominQ"), tight)),
  do.call(solution, c(list("sparse", 2, "minres", "oblimin"), tight)),
  solution("sparse", 1, "minres", "none"),
  solution("sparse", 1, "pa", "none")
)
out <- list(
  versions = c(list(R = as.character(getRversion())),
    lapply(setNames(nm = c("psych", "GPArotation")), function(p) as.character(packageVersion(p)))),
  suitability = lapply(data, suitable),
  parallel = lapply(data, parallel),
  solutions = solutions
)
write_json(out, "exploratory.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", pretty = FALSE)
