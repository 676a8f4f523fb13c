# Oracle of analysis/reliability.py and analysis/confirmatory.py. Run here: Rscript reliability.R
suppressMessages({
  library(psych); library(psychTools); library(lavaan); library(semTools); library(jsonlite)
})

source("data/factor_data.R")
bfi <- read.csv("data/bfi.csv")
gaps <- read.csv("data/bfi_gaps.csv")
sparse <- read.csv("data/sparse.csv")
reversed <- c("A1", "C4", "C5", "E1", "E2", "O2", "O5")
keyed <- function(d) { r <- intersect(reversed, names(d)); d[r] <- 7 - d[r]; d }

one_scale <- function(d) {
  d <- d[complete.cases(d), ]
  n <- nrow(d)
  a <- suppressWarnings(alpha(d, check.keys = FALSE, warnings = FALSE))
  feldt <- alpha.ci(a$total$raw_alpha, n.obs = n, n.var = ncol(d))
  lines <- c(
    paste("f =~", paste0("l", seq_along(d), "*", names(d), collapse = " + ")),
    paste0(names(d), " ~~ e", seq_along(d), "*", names(d)),
    paste0("omega := (", paste0("l", seq_along(d), collapse = "+"), ")^2 / ((",
      paste0("l", seq_along(d), collapse = "+"), ")^2 + ", paste0("e", seq_along(d), collapse = "+"), ")")
  )
  fit <- cfa(lines, d, std.lv = TRUE)
  robust <- cfa(lines, d, std.lv = TRUE, se = "robust.sem")
  pe <- parameterEstimates(fit)
  per <- parameterEstimates(robust)
  free <- pe$op == "=~" | (pe$op == "~~" & pe$lhs != "f")
  omega <- unname(compRelSEM(fit, obs.var = FALSE))
  se <- per$se[per$label == "omega"]
  half <- qnorm(.975) * se / (omega * (1 - omega))
  list(
    n = n,
    alpha = a$total$raw_alpha, alpha_low = feldt$lower.ci, alpha_high = feldt$upper.ci,
    alpha_standardised = a$total$std.alpha,
    omega = omega, omega_se = se, omega_low = plogis(qlogis(omega) - half), omega_high = plogis(qlogis(omega) + half),
    sem = sd(rowMeans(d)) * sqrt(1 - omega), sdc = 1.96 * sqrt(2) * sd(rowMeans(d)) * sqrt(1 - omega),
    item = names(d), mean = unname(colMeans(d)), sd = unname(apply(d, 2, sd)),
    item_rest = a$item.stats$r.drop, alpha_if_dropped = a$alpha.drop$raw_alpha,
    loading = standardizedSolution(fit)$est.std[seq_along(d)],
    estimates = pe$est[free], se = pe$se[free], se_robust = per$se[free],
    chi2 = unname(fitMeasures(fit, "chisq")), df = unname(fitMeasures(fit, "df")),
    p = unname(fitMeasures(fit, "pvalue")), loglik = unname(fitMeasures(fit, "logl"))
  )
}

composite <- function(d, subscales, weights) {
  d <- d[complete.cases(d[unlist(subscales)]), unlist(subscales)]
  for (s in subscales) if (weights == "subscales") d[s] <- d[s] / length(s)
  scores <- sapply(subscales, function(s) rowSums(d[s]))
  alphas <- sapply(subscales, function(s) suppressWarnings(alpha(d[s], warnings = FALSE)$total$raw_alpha))
  stratified <- 1 - sum(apply(scores, 2, var) * (1 - alphas)) / var(rowSums(scores))
  syntax <- c(
    sapply(names(subscales), function(s) paste(s, "=~", paste(subscales[[s]], collapse = " + "))),
    paste("g =~ NA*", paste(names(subscales), collapse = " + ")), "g ~~ 1*g"
  )
  fit <- cfa(syntax, d)
  robust <- cfa(syntax, d, se = "robust.sem")
  level2 <- reliabilityL2(fit, "g")
  sigma <- fitted(fit)$cov
  theta <- lavInspect(fit, "est")$theta
  pe <- parameterEstimates(fit)
  per <- parameterEstimates(robust)
  factors <- names(subscales)
  # Order of the parameters: loadings item by item, paths, factor residuals, errors.
  keep <- list(pe$op == "=~" & pe$lhs != "g" & pe$se > 0, pe$op == "=~" & pe$lhs == "g",
    pe$op == "~~" & pe$lhs %in% factors, pe$op == "~~" & pe$lhs %in% names(d))
  pick <- function(v) unlist(lapply(keep, function(k) v[k]))
  list(
    n = nrow(d), alpha_stratified = stratified,
    omega_second_order = unname(level2["omegaL1"]),
    omega_second_order_comprel = unname(compRelSEM(fit, obs.var = FALSE, higher = "g")["g"]),
    omega_total_second_order = 1 - sum(theta) / sum(sigma),
    chi2 = unname(fitMeasures(fit, "chisq")), df = unname(fitMeasures(fit, "df")),
    loglik = unname(fitMeasures(fit, "logl")),
    estimates = pick(pe$est), se = pick(pe$se), se_robust = pick(per$se)
  )
}

subscales <- list(A = c("A2", "A3", "A5"), C = paste0("C", 1:5), E = paste0("E", 1:4), N = paste0("N", 1:5))
turned <- keyed(bfi)
turned[paste0("N", 1:5)] <- 7 - turned[paste0("N", 1:5)]
turned_gaps <- keyed(gaps)
turned_gaps[paste0("N", 1:5)] <- 7 - turned_gaps[paste0("N", 1:5)]
out <- list(
  versions = c(list(R = as.character(getRversion())),
    lapply(setNames(nm = c("psych", "psychTools", "lavaan", "semTools")), function(p) as.character(packageVersion(p)))),
  scales = list(
    conscientiousness = one_scale(keyed(bfi)[paste0("C", 1:5)]),
    neuroticism_gaps = one_scale(gaps[paste0("N", 1:5)]),
    openness_unkeyed = one_scale(bfi[paste0("O", 1:5)]),
    three_items = one_scale(keyed(bfi)[c("A2", "A3", "A5")]),
    sparse = one_scale(sparse)
  ),
  composites = list(
    bfi_subscales = composite(turned, subscales, "subscales"),
    bfi_items = composite(turned, subscales, "items"),
    gaps_subscales = composite(turned_gaps, subscales, "subscales")
  )
)
write_json(out, "reliability.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
