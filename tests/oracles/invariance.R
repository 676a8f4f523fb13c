# Oracle of analysis/invariance.py: ladders of semTools::measEq.syntax, fitted by lavaan.
# Run here: Rscript invariance.R
suppressMessages({library(lavaan); library(semTools); library(jsonlite)})

# invariance_waves.csv: simulated. 400 people twice, one factor behind five 5-point items, a stable part in every
# item; item w3 has become easier at the second wave (its thresholds moved by .4).
set.seed(12)
n <- 400
l <- c(.8, .7, .7, .6, .75)
f1 <- rnorm(n)
f2 <- .3 + .6 * f1 + .9 * rnorm(n)
own <- matrix(rnorm(n * 5), n)
wave <- function(f, shift) sapply(1:5, function(i) {
  y <- l[i] * f + sqrt(1 - l[i]^2) * (sqrt(.3) * own[, i] + sqrt(.7) * rnorm(n))
  as.integer(cut(y + shift[i], c(-Inf, -1.6, -.7, .3, 1.2, Inf)))
})
w <- data.frame(wave(f1, rep(0, 5)), wave(f2, c(0, 0, .4, 0, 0)))
names(w) <- c(paste0("w", 1:5, "_1"), paste0("w", 1:5, "_2"))
write.csv(w, "data/invariance_waves.csv", row.names = FALSE, quote = FALSE)

fit_row <- function(f) {
  m <- fitMeasures(f)
  keep <- c("npar", "chisq", "df", "pvalue", "chisq.scaled", "pvalue.scaled", "cfi", "tli", "rmsea", "srmr",
    "cfi.scaled", "tli.scaled", "rmsea.scaled")
  as.list(m[intersect(keep, names(m))])
}
differences <- function(fits, ...) {
  lapply(seq_along(fits)[-1], function(i) {
    if (fitMeasures(fits[[i]], "df") == fitMeasures(fits[[i - 1]], "df")) return(NULL)
    t <- lavTestLRT(fits[[i - 1]], fits[[i]], ...)
    list(statistic = t[2, "Chisq diff"], df = t[2, "Df diff"], p = t[2, "Pr(>Chisq)"])
  })
}
with_tests <- function(fits, ...) list(fit = lapply(fits, fit_row), difference = differences(unname(fits), ...))

# Continuous, groups.
hs <- read.csv("data/holzinger.csv")
hs_model <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
equal <- list(configural = "", metric = "loadings", scalar = c("loadings", "intercepts"),
  strict = c("loadings", "intercepts", "residuals"))
continuous <- function(estimator) lapply(equal, function(e) cfa(hs_model, hs, group = "school", std.lv = TRUE,
  group.equal = e, estimator = estimator))
out <- list(
  ml = with_tests(continuous("ML")),
  mlr = with_tests(continuous("MLR"))
)

# Ordered, groups: Wu & Estabrook (2016).
steps <- list(configural = "", thresholds = "thresholds", loadings = c("thresholds", "loadings"),
  intercepts = c("thresholds", "loadings", "intercepts"),
  residuals = c("thresholds", "loadings", "intercepts", "residuals"))
ordered_ladder <- function(model, data, items, group) lapply(steps, function(e) {
  syntax <- as.character(measEq.syntax(configural.model = model, data = data, ordered = items,
    parameterization = "theta", ID.fac = "std.lv", ID.cat = "Wu.Estabrook.2016", group = group, group.equal = e))
  cfa(syntax, data, group = group, ordered = items, parameterization = "theta")
})
satorra <- function(fits) with_tests(fits, method = "satorra.2000", A.method = "delta")
bfi <- read.csv("data/bfi_people.csv")
items <- c(paste0("A", 1:5), paste0("C", 1:5))
bfi <- bfi[complete.cases(bfi[, items]), ]
bfi_model <- "A =~ A1 + A2 + A3 + A4 + A5\nC =~ C1 + C2 + C3 + C4 + C5"
out$wlsmv <- satorra(ordered_ladder(bfi_model, bfi, items, "gender"))

# Three categories: the thresholds step has no degrees of freedom.
three <- bfi[seq(1, nrow(bfi), 3), ]
three[, items] <- lapply(three[, items], function(x) as.integer(cut(x, c(0, 2, 4, 6))))
out$three <- satorra(ordered_ladder(bfi_model, three, items, "gender"))

# Two waves of the same people.
long_model <- "f1 =~ w1_1 + w2_1 + w3_1 + w4_1 + w5_1\nf2 =~ w1_2 + w2_2 + w3_2 + w4_2 + w5_2"
names_long <- lapply(1:5, function(i) paste0("w", i, "_", 1:2))
names(names_long) <- paste0("w", 1:5)
long_fits <- lapply(steps, function(e) {
  syntax <- as.character(measEq.syntax(configural.model = long_model, data = w, ordered = names(w),
    parameterization = "theta", ID.fac = "std.lv", ID.cat = "Wu.Estabrook.2016",
    longFacNames = list(f = c("f1", "f2")), longIndNames = names_long, long.equal = e, auto = "all"))
  cfa(syntax, w, ordered = names(w), parameterization = "theta")
})
out$waves <- satorra(long_fits)

# The same two waves as continuous answers, MLR, with gaps at the second wave: everyone by full information.
gaps <- w
gaps[seq(1, n, 4), 6:10] <- NA
gaps[seq(2, n, 9), 3] <- NA
write.csv(gaps, "data/invariance_gaps.csv", row.names = FALSE, quote = FALSE, na = "")
long_steps <- list(configural = "", metric = "loadings", scalar = c("loadings", "intercepts"),
  strict = c("loadings", "intercepts", "residuals"))
out$fiml <- with_tests(lapply(long_steps, function(e) {
  syntax <- as.character(measEq.syntax(configural.model = long_model, data = gaps, ID.fac = "std.lv",
    longFacNames = list(f = c("f1", "f2")), longIndNames = names_long, long.equal = e, auto = "all"))
  cfa(syntax, gaps, missing = "fiml", estimator = "MLR")
}))

out$versions <- list(R = R.version.string, lavaan = as.character(packageVersion("lavaan")),
  semTools = as.character(packageVersion("semTools")))
write_json(out, "invariance.json", auto_unbox = TRUE, digits = NA, pretty = TRUE)
