# Oracle of analysis/confirmatory.py and analysis/fit_indices.py. Run here: Rscript --vanilla confirmatory.R
suppressMessages({library(lavaan); library(semTools); library(jsonlite)})

people <- read.csv("data/bfi_people.csv")
items <- setdiff(names(people), "gender")
people <- people[items]
complete <- people[complete.cases(people), ]
sparse <- read.csv("data/sparse.csv")
holzinger <- read.csv("data/holzinger.csv")
# For reliabilities of sums.
keyed <- complete[1:300, ]
keyed[c("E1", "E2")] <- 7 - keyed[c("E1", "E2")]
# Teams of growing size.
team <- floor(sqrt(seq_len(nrow(complete)) - 1) * 2)
data <- list(bfi = complete, bfi_people = people, bfi_gaps = read.csv("data/bfi_gaps.csv"),
  bfi_300 = complete[1:300, ], bfi_1000 = read.csv("data/bfi.csv"), keyed = keyed, sparse = sparse,
  holzinger = holzinger[paste0("x", 1:9)], teams = cbind(complete, team = team))

factors <- list(agree = 1:5, conscientious = 6:10, extravert = 11:15, neurotic = 16:20, open = 21:25)
line <- function(name, items) paste(name, "=~", paste(items, collapse = " + "))
five <- paste(mapply(line, names(factors), lapply(factors, function(i) items[i])), collapse = "\n")
reversed <- c("A1", "C4", "C5", "E1", "E2", "O2", "O5")
none <- function(a, b) paste(a, "~~ 0 *", b)
# A method factor is uncorrelated with the traits.
wording <- paste(c(five, line("wording", reversed), none("wording", names(factors))), collapse = "\n")
two <- paste(line("extravert", items[11:15]), line("neurotic", items[16:20]), sep = "\n")
bifactor <- paste(line("general", items[11:20]), two, none("general", "extravert"), none("general", "neurotic"),
  none("extravert", "neurotic"), sep = "\n")
three <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
ability <- paste(three, "ability =~ visual + textual + speed", sep = "\n")
ability_bfi <- paste(five, line("general", names(factors)), sep = "\n")
# For the sparse set: all its items on one factor.
one <- line("f", names(sparse))

measures <- c(npar = "npar", chisq = "chisq", df = "df", p = "pvalue", chisq_scaled = "chisq.scaled",
  df_scaled = "df.scaled", p_scaled = "pvalue.scaled", scaling_factor = "chisq.scaling.factor",
  baseline_chisq = "baseline.chisq", baseline_df = "baseline.df", baseline_chisq_scaled = "baseline.chisq.scaled",
  cfi = "cfi", tli = "tli", cfi_scaled = "cfi.scaled", tli_scaled = "tli.scaled", cfi_robust = "cfi.robust",
  tli_robust = "tli.robust", loglik = "logl", aic = "aic", bic = "bic", n = "ntotal", rmsea = "rmsea",
  rmsea_ci_low = "rmsea.ci.lower", rmsea_ci_high = "rmsea.ci.upper", rmsea_p_close = "rmsea.pvalue",
  rmsea_scaled = "rmsea.scaled", rmsea_scaled_ci_low = "rmsea.ci.lower.scaled",
  rmsea_scaled_ci_high = "rmsea.ci.upper.scaled", rmsea_scaled_p_close = "rmsea.pvalue.scaled",
  rmsea_robust = "rmsea.robust", rmsea_robust_ci_low = "rmsea.ci.lower.robust",
  rmsea_robust_ci_high = "rmsea.ci.upper.robust", rmsea_robust_p_close = "rmsea.pvalue.robust", srmr = "srmr")

run <- function(set, model, estimator, missing = "listwise", std.lv = TRUE, more = character(), cluster = NULL) {
  ordinal <- estimator %in% c("WLSMV", "ULSMV", "DWLS")
  d <- data[[set]]
  # As tightly as nlminb can: beyond that it reports false convergence.
  for (tolerance in if (ordinal) 1e-10 else c(1e-12, 1e-10)) {
    fitted <- function(estimator, ...) suppressWarnings(cfa(model, d, estimator = estimator, missing = missing,
      std.lv = std.lv, cluster = cluster, ordered = if (ordinal) setdiff(names(d), "team") else NULL,
      optim.force.converged = FALSE, control = list(rel.tol = tolerance, iter.max = 5000), ...))
    fit <- fitted(estimator)
    if (lavInspect(fit, "converged")) break
  }
  stopifnot(lavInspect(fit, "converged"))
  found <- suppressWarnings(fitMeasures(fit))
  if (ordinal) found <- found[!names(found) %in% c("logl", "aic", "bic")]
  indices <- found[intersect(measures, names(found))]
  names(indices) <- names(measures)[match(names(indices), measures)]
  indices <- indices[!is.na(indices)]
  if (!is.null(fit@test$scaled.shifted)) indices["shift"] <- fit@test$scaled.shifted$shift.parameter
  if (!is.null(fit@test$scaled.shifted)) indices["scaling_factor"] <- fit@test$scaled.shifted$scaling.factor
  table <- parameterEstimates(fit)
  keep <- table$op != "|" & !(table$op == "~*~") & !(ordinal & table$op == "~1") & !(ordinal & table$op == "~~" &
    table$lhs == table$rhs)
  std <- standardizedSolution(fit)
  rows <- std$op %in% c("=~", "~~")
  out <- list(set = set, estimator = estimator, missing = missing, fit = as.list(indices),
    parameters = table[keep & !is.na(table$se), c("lhs", "op", "rhs", "est", "se")],
    standardised = std[rows, c("lhs", "op", "rhs", "est.std", "se")],
    factors = lavNames(fit, "lv"), correlations = unname(unclass(lavInspect(fit, "cor.lv"))))
  if (ordinal) out$thresholds <- table[table$op == "|", c("lhs", "rhs", "est", "se")]
  if ("residuals" %in% more) {
    gap <- residuals(fit, type = "cor")$cov
    out$residuals <- list(items = rownames(gap), values = gap[lower.tri(gap)])
  }
  if ("z" %in% more) {
    # Of MLR, lavaan's own takes the observed information of the model, which under misfit is far from what the
    # covariances vary by; that of MLM takes the expected one. With gaps: the information of the saturated moments.
    twin <- if (estimator == "MLR" && missing == "listwise") fitted("MLM") else
      if (missing == "fiml") fitted(estimator, h1.information = "unstructured") else fit
    z <- unclass(lavResiduals(twin)$cov.z)
    out$residual_z <- list(items = rownames(z), values = z[lower.tri(z)])
  }
  if ("modindices" %in% more) {
    m <- suppressWarnings(modindices(fit, na.remove = TRUE))
    m <- m[m$op %in% c("=~", "~~"), c("lhs", "op", "rhs", "mi", "epc", "sepc.all")]
    m <- m[order(m$mi, decreasing = TRUE), ]
    # The largest, and every seventh of the others.
    out$modindices <- m[sort(unique(c(1:60, seq(1, nrow(m), 7)))) , ]
    out$modindices <- out$modindices[!is.na(out$modindices$mi), ]
    out$modindices_count <- nrow(m)
  }
  if ("scores" %in% more) {
    rows <- if (set == "bfi_people") which(rowSums(is.na(d)) > 0)[1:40] else 1:40
    # New data must hold every answer of every item.
    if (ordinal) rows <- sort(unique(c(rows, unlist(lapply(d, function(x) match(unique(x), x))))))
    # lavaan looks for the largest posterior with numerical gradients, to 1e-8 of its logarithm: 1e-4 of the score.
    out$scores <- list(rows = rows, values = unname(unclass(if (ordinal) lavPredict(fit, newdata = d[rows, ]) else
      lavPredict(fit)[rows, , drop = FALSE])), factors = lavNames(fit, "lv"))
  }
  if ("reliability" %in% more) {
    out$ave <- as.list(AVE(fit))
    out$composite <- as.list(suppressWarnings(suppressMessages(compRelSEM(fit, obs.var = FALSE, ord.scale = FALSE))))
  }
  out
}

all <- c("residuals", "modindices", "scores", "z")
fits <- list(
  wlsmv = run("bfi", five, "WLSMV", more = c("residuals", "modindices", "z", "reliability")),
  ulsmv = run("bfi_1000", two, "ULSMV", more = "z"),
  dwls = run("bfi_300", two, "DWLS"),
  pairwise = run("bfi_gaps", two, "WLSMV", missing = "pairwise"),
  ml = run("bfi", five, "ML", more = all),
  mlr = run("bfi", five, "MLR", more = c("residuals", "z")),
  fiml = run("bfi_people", two, "ML", missing = "fiml", more = c("scores", "residuals", "z")),
  fiml_mlr = run("bfi_gaps", two, "MLR", missing = "fiml", more = "z"),
  teams = run("teams", two, "MLR", cluster = "team"),
  marker = run("bfi_300", two, "WLSMV", std.lv = FALSE, more = c("modindices", "scores")),
  wording = run("bfi_300", wording, "WLSMV", more = "modindices"),
  bifactor = run("bfi_1000", bifactor, "WLSMV"),
  second_order = run("bfi_1000", ability_bfi, "WLSMV"),
  errors = run("bfi_1000", paste(two, "N1 ~~ N2", "E1 ~~ N5", sep = "\n"), "WLSMV"),
  keyed = run("keyed", two, "WLSMV", more = "reliability"),
  sparse = run("sparse", one, "WLSMV"),
  sparse_ml = run("sparse", one, "ML", missing = "fiml", more = c("modindices", "scores")),
  holzinger_ml = run("holzinger", three, "ML", std.lv = FALSE, more = c(all, "reliability")),
  holzinger_mlr = run("holzinger", three, "MLR", std.lv = FALSE),
  holzinger_second = run("holzinger", ability, "ML"),
  holzinger_second_marker = run("holzinger", ability, "MLR", std.lv = FALSE),
  holzinger_cross = run("holzinger", paste0(three, "\nvisual =~ x9"), "ML")
)

# 100 people with whom a search for a wording factor may run away: it has a solution nevertheless.
rows <- c(
  19, 61, 63, 80, 102, 113, 138, 200, 210, 242, 324, 330, 357, 427, 457, 495, 502, 527, 538, 543, 558, 569, 601,
  602, 682, 696, 746, 804, 805, 827, 832, 953, 976, 1004, 1026, 1062, 1091, 1107, 1108, 1125, 1143, 1146, 1166,
  1182, 1208, 1231, 1232, 1254, 1294, 1326, 1360, 1399, 1400, 1421, 1443, 1476, 1502, 1515, 1525, 1550, 1574,
  1575, 1576, 1643, 1653, 1698, 1731, 1757, 1758, 1774, 1825, 1829, 1849, 1858, 1870, 1905, 1925, 1932, 1994,
  2005, 2020, 2027, 2044, 2069, 2099, 2109, 2137, 2138, 2184, 2206, 2207, 2208, 2230, 2254, 2313, 2329, 2363,
  2376, 2398, 2418)
few <- suppressWarnings(cfa(wording, complete[rows, ], estimator = "DWLS", std.lv = TRUE, ordered = TRUE, se = "none",
  optim.force.converged = FALSE, control = list(rel.tol = 1e-10)))
stopifnot(lavInspect(few, "converged"))

discriminant <- list(
  pearson = unname(unclass(htmt(five, complete, htmt2 = FALSE))),
  pearson_2 = unname(unclass(htmt(five, complete))),
  polychoric = unname(unclass(htmt(five, complete, ordered = items, htmt2 = FALSE)))
)
out <- list(
  versions = c(list(R = as.character(getRversion())),
    lapply(setNames(nm = c("lavaan", "semTools")), function(p) as.character(packageVersion(p)))),
  fits = fits,
  few = list(rows = rows, chisq = fitMeasures(few, "chisq")[[1]]),
  htmt = discriminant
)
# Whole or not at all.
write_json(out, "confirmatory.json.part", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", dataframe = "columns",
  pretty = FALSE)
invisible(file.rename("confirmatory.json.part", "confirmatory.json"))
