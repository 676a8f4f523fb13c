# Oracle of analysis/dimensionality.py, exploratory.py and factoring.py on polychoric correlations, of Schmid-Leiman
# solutions, and of the hull method, EKC and fourth-power MAP. Run here: Rscript --vanilla exploratory_ordinal.R
suppressMessages({library(psych); library(GPArotation); library(lavaan); library(jsonlite)})
options(mc.cores = 1)  # fa.parallel draws in parallel processes otherwise, beyond the reach of set.seed

people <- read.csv(file.path("data", "bfi_people.csv"))[1:25]
full <- people[complete.cases(people), ]
correlations <- function(d, missing) {
  m <- unclass(lavCor(d, ordered = names(d), missing = missing))
  attr(m, "header") <- NULL
  m
}
matrices <- list(listwise = correlations(full, "listwise"), pairwise = correlations(people, "pairwise"),
  pearson = cor(full))
n <- c(listwise = nrow(full), pairwise = min(crossprod(!is.na(people))), pearson = nrow(full))
everyone <- c(listwise = nrow(full), pairwise = nrow(people), pearson = nrow(full))

solution <- function(set, k, fm, rotate) {
  r <- matrices[[set]]
  # psych stops early by default; see exploratory.R.
  s <- suppressWarnings(suppressMessages(fa(r, k, n.obs = everyone[[set]], fm = fm, rotate = rotate, min.err = 1e-9,
    max.iter = 5000, eps = 1e-8, maxit = 5000)))
  p <- unclass(s$loadings)
  list(set = set, n_factors = k, method = fm, rotation = rotate, loadings = unname(p), phi = unname(s$Phi),
    communality = unname(s$communality), chi2 = s$STATISTIC, df = s$dof, rmsr = s$rms, tli = s$TLI, bic = s$BIC)
}

suitable <- function(set) {
  k <- KMO(matrices[[set]])
  b <- cortest.bartlett(matrices[[set]], n = n[[set]])
  list(kmo = k$MSA, msa = unname(k$MSAi), statistic = b$chisq, df = b$df, n = n[[set]])
}

# Velicer's partial correlations the long way: residuals of the items on their components.
fourth_power <- function(d) {
  z <- scale(d)
  scores <- z %*% eigen(cor(d))$vectors
  mean4 <- function(m) mean(m[upper.tri(m)]^4)
  c(mean4(cor(d)), sapply(seq_len(ncol(d) - 2), function(k) mean4(cor(residuals(lm(z ~ scores[, 1:k]))))))
}

map <- function(r) {
  invisible(capture.output(m <- suppressWarnings(vss(r, n = ncol(r) - 1, n.obs = 1000, plot = FALSE, fm = "pc",
    rotate = "none")$map)))
  m
}

# Braeken and van Assen (2017), equation 2, one reference after the other.
ekc <- function(values, n) {
  p <- length(values)
  sapply(seq_len(p), function(j) max((p - sum(values[seq_len(j - 1)])) / (p - j + 1) * (1 + sqrt(p / n))^2, 1))
}

# The upper hull by grDevices::chull, of the solutions up to the one that fits best.
bends <- function(fit, df) {
  last <- which.max(fit)
  x <- max(df) - df[1:last]
  corners <- chull(c(x, x[1], x[last]), c(fit[1:last], -9, -9))
  on <- sort(corners[corners <= last])
  st <- rep(NA_real_, length(fit))
  for (i in seq_along(on)[-c(1, length(on))]) {
    s <- diff(fit[on[(i - 1):(i + 1)]]) / diff(x[on[(i - 1):(i + 1)]])
    st[on[i]] <- s[1] / s[2]
  }
  st
}

hull <- function(set, most) {
  r <- matrices[[set]]
  p <- ncol(r)
  df <- sapply(0:most, function(k) ((p - k)^2 - p - k) / 2)
  run <- function(k, fm) suppressWarnings(suppressMessages(fa(r, k, fm = fm, rotate = "none", n.obs = n[[set]])))
  caf <- c(1 - KMO(r)$MSA, sapply(seq_len(most), function(k) {
    left <- r - tcrossprod(unclass(run(k, "minres")$loadings))
    diag(left) <- 1
    1 - KMO(left)$MSA
  }))
  chi2 <- c(-log(det(r)), sapply(seq_len(most), function(k) run(k, "ml")$objective)) * (n[[set]] - 1)
  cfi <- 1 - pmax(chi2 - df, 0) / max(chi2[1] - df[1], 0)
  list(df = df, caf = caf, cfi = cfi, st_caf = bends(caf, df), st_cfi = bends(cfi, df))
}

number <- function(set) {
  values <- eigen(matrices[[set]])$values
  reduced <- matrices[[set]]
  diag(reduced) <- smc(reduced)
  list(component = values, factor = eigen(reduced)$values, map = map(matrices[[set]]), ekc = ekc(values, n[[set]]))
}

general <- function(set, k, fm = "minres") {
  r <- matrices[[set]]
  quiet <- function(call) { invisible(capture.output(v <- suppressWarnings(suppressMessages(call)))); v }
  # psych's own oblimin inside schmid() stops at 1e-5 of the slope; from a solution stopped later it goes no further.
  f <- quiet(fa(r, k, n.obs = n[[set]], fm = fm, rotate = "oblimin", eps = 1e-8, maxit = 5000))
  s <- quiet(schmid(f, nfactors = k, fm = "minres"))$sl
  o <- quiet(omega(r, k, fm = fm, plot = FALSE, n.obs = n[[set]]))
  list(set = set, n_factors = k, method = fm, general = unname(s[, 1]), groups = unname(s[, 2:(k + 1)]),
    communality = unname(s[, "h2"]), omega_total = o$omega.tot, omega_hierarchical = o$omega_h, ecv = unname(o$ECV))
}

parallel_polychoric <- function() {
  set.seed(1)
  d <- full[1:10]
  invisible(capture.output(p <- suppressWarnings(suppressMessages(
    fa.parallel(d, SMC = TRUE, n.iter = 20, plot = FALSE, cor = "poly", correct = 0)))))
  list(factor = p$fa.simr, component = p$pc.simr, n_factors = p$nfact, n_components = p$ncomp)
}

out <- list(
  versions = c(list(R = as.character(getRversion())),
    lapply(setNames(nm = c("psych", "GPArotation", "lavaan")), function(p) as.character(packageVersion(p)))),
  solutions = list(
    solution("listwise", 5, "minres", "oblimin"), solution("listwise", 5, "ml", "oblimin"),
    solution("listwise", 5, "pa", "oblimin"), solution("listwise", 5, "minres", "geominQ"),
    solution("pairwise", 5, "minres", "oblimin")),
  suitability = lapply(setNames(nm = names(matrices)), suitable),
  number = lapply(setNames(nm = names(matrices)), number),
  fourth_power = fourth_power(full),
  hull = list(pearson = hull("pearson", 9), listwise = hull("listwise", 9)),
  general = list(general("pearson", 2), general("pearson", 3), general("pearson", 5), general("listwise", 3),
    general("pearson", 3, "ml")),
  parallel = parallel_polychoric()
)
write_json(out, "exploratory_ordinal.json", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", pretty = FALSE, na = "null")
