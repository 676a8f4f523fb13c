# Oracle of analysis/least_squares.py: lavaan's fits to thresholds and polychoric correlations, in free parameters.
# Run here: Rscript least_squares.R
suppressMessages({library(lavaan); library(jsonlite)})

# lavaan stops when its criterion falls by less than a 1e-10th part; this makes it go on, where it can.
tight <- list(rel.tol = 1e-11)

fitted_model <- function(model, data, ..., indices = 0, control = tight) {
  f <- cfa(model, data, ordered = intersect(names(data), lavNames(lavaanify(model), "ov")), std.lv = TRUE,
    control = control, ...)
  p <- parameterEstimates(f, ci = FALSE, zstat = FALSE, pvalue = FALSE)
  p <- p[p$op %in% c("=~", "|") | (p$op == "~~" & p$lhs != p$rhs), ]
  if (is.null(p$group)) p$group <- 1
  m <- fitMeasures(f)
  keep <- c("npar", "chisq", "df", "chisq.scaled", "chisq.scaling.factor", "pvalue.scaled", "baseline.chisq",
    "baseline.df", "baseline.chisq.scaled", "baseline.chisq.scaling.factor")
  out <- list(parameters = p[, c("lhs", "op", "rhs", "group", "est", "se")], fit = as.list(m[keep]),
    shift = f@test$scaled.shifted$shift.parameter)
  if (indices) {
    out$indices <- modindices(f, sort. = TRUE, maximum.number = indices)[, c("lhs", "op", "rhs", "mi", "epc")]
  }
  out
}
factors <- function(letters, upto = 5) paste(sapply(letters, function(l) paste(l, "=~",
  paste0(l, 1:upto, collapse = " + "))), collapse = "\n")

people <- read.csv("data/bfi_people.csv")
items <- paste0(rep(c("A", "C", "E", "N", "O"), each = 5), 1:5)
bfi <- people[complete.cases(people[, items]), ]
five <- factors(c("A", "C", "E", "N", "O"))
sparse <- read.csv("data/sparse.csv")
one <- paste("f =~", paste(names(sparse), collapse = " + "))

out <- list(
  wlsmv = fitted_model(five, bfi[, items], estimator = "WLSMV", indices = 40),
  ulsmv = fitted_model(five, bfi[, items], estimator = "ULSMV", indices = 40),
  # Two groups, residual scale, nothing equal; lavaan takes the groups in their order of appearance.
  groups = fitted_model(factors(c("A", "C")), bfi[, c(items[1:10], "gender")], estimator = "WLSMV",
    group = "gender", parameterization = "theta", control = list()),
  # Equal loadings within a factor.
  equal = fitted_model("E =~ a*E1 + a*E2 + b*E3 + b*E4 + b*E5", bfi[, items[11:15]], estimator = "WLSMV"),
  sparse = fitted_model(one, sparse, estimator = "WLSMV")
)
# Satorra's (2000) test of the equal loadings, as two fits.
free <- cfa("E =~ E1 + E2 + E3 + E4 + E5", bfi, ordered = items[11:15], std.lv = TRUE, control = tight)
equal <- cfa("E =~ a*E1 + a*E2 + b*E3 + b*E4 + b*E5", bfi, ordered = items[11:15], std.lv = TRUE, control = tight)
test <- lavTestLRT(free, equal, method = "satorra.2000", A.method = "delta")
out$difference <- list(statistic = test[2, "Chisq diff"], df = test[2, "Df diff"], p = test[2, "Pr(>Chisq)"])
# Satorra and Bentler's mean-scaled test.
m <- fitMeasures(cfa(five, bfi[, items], ordered = items, estimator = "WLSM", std.lv = TRUE, control = tight))
out$wlsm <- list(statistic = m[["chisq.scaled"]], factor = m[["chisq.scaling.factor"]])
out$gender <- unique(bfi$gender)

out$versions <- list(R = R.version.string, lavaan = as.character(packageVersion("lavaan")))
write_json(out, "least_squares.json", auto_unbox = TRUE, digits = NA, pretty = TRUE)
