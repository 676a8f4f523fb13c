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

# Two answers, and a mix of two, three, five and six: steps that items with few answers leave out.
codes <- function(data, cuts) {
  for (i in names(cuts)) data[[i]] <- as.integer(cut(data[[i]], cuts[[i]]))
  data
}
two <- setNames(rep(list(c(0, 3, 6)), 10), items)
out$binary <- satorra(ordered_ladder(bfi_model, codes(bfi, two), items, "gender")[c(1, 4, 5)])
mixed <- list(A1 = c(0, 3, 6), C2 = c(0, 3, 6), A2 = c(0, 2, 4, 6), C1 = c(0, 2, 4, 6), A5 = c(0, 1, 2, 4, 5, 6))
part <- bfi[seq(1, nrow(bfi), 3), ]
out$mixed <- satorra(ordered_ladder(bfi_model, codes(part, mixed), items, "gender")[c(1, 2, 4, 5)])
# Without two-answer items every step is the same in semTools.
out$mixed_five <- satorra(ordered_ladder("A =~ A1 + A2 + A3 + A4 + A5", codes(part, mixed[c(3, 5)]), items[1:5],
  "gender"))

# Three groups, one factor; the last of them found the items easier.
groups <- bfi
groups$set <- c("first", "second", "third")[seq_len(nrow(bfi)) %% 3 + 1]
easier <- groups$set == "third" & seq_len(nrow(bfi)) %% 4 == 0
groups$C3[easier] <- pmin(groups$C3[easier] + 1, 6)
out$groups <- satorra(ordered_ladder("C =~ C1 + C2 + C3 + C4 + C5", groups, items[6:10], "set"))

# dMACS (Nye & Drasgow, 2011): one item free, all others equal.
pooled <- function(x, group) {
  sds <- tapply(x, group, sd)
  sizes <- table(group)
  sum((sizes - 1) * sds) / sum(sizes - 1)
}
out$dmacs_ml <- sapply(paste0("x", 1:9), function(item) {
  factor <- c("visual", "textual", "speed")[(as.integer(substr(item, 2, 2)) - 1) %/% 3 + 1]
  f <- cfa(hs_model, hs, group = "school", std.lv = TRUE, group.equal = c("loadings", "intercepts"),
    group.partial = c(paste0(factor, "=~", item), paste0(item, "~1")))
  e <- lavInspect(f, "est")
  slope <- e[[2]]$lambda[item, factor] - e[[1]]$lambda[item, factor]
  shift <- e[[2]]$nu[item, 1] - e[[1]]$nu[item, 1]
  mean <- e[[2]]$alpha[factor, 1]
  # The mean of (shift + slope * factor) squared over a normal factor.
  sqrt((shift + slope * mean)^2 + slope^2 * e[[2]]$psi[factor, factor]) / pooled(hs[[item]], hs$school)
})
agree <- items[1:5]
out$dmacs_ordered <- sapply(agree, function(item) {
  syntax <- as.character(measEq.syntax(configural.model = "A =~ A1 + A2 + A3 + A4 + A5", data = bfi, ordered = agree,
    parameterization = "theta", ID.fac = "std.lv", ID.cat = "Wu.Estabrook.2016", group = "gender",
    group.equal = steps$intercepts,
    group.partial = c(paste0("A =~ ", item), paste0(item, " ~ 1"), paste0(item, " | t", 1:5))))
  f <- cfa(syntax, bfi, group = "gender", ordered = agree, parameterization = "theta")
  e <- lavInspect(f, "est")
  answer <- function(g, factor) sapply(factor, function(x) 1 + sum(pnorm(
    (e[[g]]$nu[item, 1] + e[[g]]$lambda[item, 1] * x - e[[g]]$tau[paste0(item, "|t", 1:5), 1]) /
      sqrt(e[[g]]$theta[item, item]))))
  weight <- function(x) dnorm(x, e[[2]]$alpha[1, 1], sqrt(e[[2]]$psi[1, 1]))
  squared <- integrate(function(x) (answer(2, x) - answer(1, x))^2 * weight(x), -8, 8, rel.tol = 1e-9)$value
  c(dmacs = sqrt(squared) / pooled(bfi[[item]], bfi$gender),
    difference = integrate(function(x) (answer(2, x) - answer(1, x)) * weight(x), -8, 8, rel.tol = 1e-9)$value)
}, simplify = FALSE)
out$dmacs_ml <- as.list(out$dmacs_ml)
out$dmacs_ordered <- lapply(out$dmacs_ordered, as.list)

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

# Three waves of four items; the third wave has the same people.
set.seed(13)
f3 <- .2 + .5 * f2 + .8 * rnorm(n)
w3 <- wave(f3, rep(0, 5))
colnames(w3) <- paste0("w", 1:5, "_3")
w3 <- cbind(w, w3)
write.csv(w3, "data/invariance_three_waves.csv", row.names = FALSE, quote = FALSE)
three_model <- paste(sapply(1:3, function(k) paste0("f", k, " =~ ", paste0("w", 1:4, "_", k, collapse = " + "))),
  collapse = "\n")
three_names <- lapply(1:4, function(i) paste0("w", i, "_", 1:3))
names(three_names) <- paste0("w", 1:4)
used <- unlist(three_names)
out$three_waves <- satorra(lapply(steps[c(1, 3, 4)], function(e) {
  syntax <- as.character(measEq.syntax(configural.model = three_model, data = w3, ordered = used,
    parameterization = "theta", ID.fac = "std.lv", ID.cat = "Wu.Estabrook.2016",
    longFacNames = list(f = paste0("f", 1:3)), longIndNames = three_names, long.equal = e, auto = "all"))
  cfa(syntax, w3, ordered = used, parameterization = "theta")
}))

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
