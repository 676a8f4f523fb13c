# Oracle of analysis/normal_theory.py. Run here: Rscript --vanilla normal_theory.R
suppressMessages({library(lavaan); library(jsonlite)})

holzinger <- read.csv("data/holzinger.csv")
tests <- paste0("x", 1:9)
# Made without random numbers, so that any language makes the same: 43 teams of 7, and gaps in 12 % of the answers.
i <- seq_len(nrow(holzinger))
holzinger$team <- (i - 1) %/% 7
gaps <- holzinger
for (j in 1:9) gaps[[tests[j]]][(i * i + 3 * i * j + 5 * j * j) %% 17 < 2] <- NA
people <- read.csv("data/bfi_people.csv")
items <- setdiff(names(people), "gender")
data <- list(holzinger = holzinger, gaps = gaps, bfi = people[complete.cases(people[items]), items], bfi_people = people[items])

three <- "visual =~ x1 + x2 + x3\ntextual =~ x4 + x5 + x6\nspeed =~ x7 + x8 + x9"
second <- paste(three, "ability =~ visual + textual + speed", sep = "\n")
line <- function(k) paste(k, "=~", paste0(k, 1:5, collapse = " + "))
five <- paste(sapply(c("A", "C", "E", "N", "O"), line), collapse = "\n")

# nlminb cannot do better than its default of 1e-10 here: asked for more, it reports false convergence.
fitted <- function(set, model, ...) {
  fit <- suppressWarnings(cfa(model, data[[set]], optim.force.converged = FALSE, control = list(rel.tol = 1e-10), ...))
  stopifnot(lavInspect(fit, "converged"))
  fit
}

measures <- c("npar", "chisq", "df", "pvalue", "chisq.scaled", "pvalue.scaled", "chisq.scaling.factor", "logl",
  "unrestricted.logl", "baseline.chisq", "baseline.df", "baseline.chisq.scaled", "baseline.chisq.scaling.factor", "ntotal")

told <- function(fit, mi = 0) {
  p <- parameterEstimates(fit, remove.nonfree = FALSE, ci = FALSE)
  p$group <- if (is.null(p$group)) 1 else p$group
  p <- p[p$op %in% c("=~", "~~", "~1") & p$group > 0, c("lhs", "op", "rhs", "group", "est", "se")]
  found <- suppressWarnings(fitMeasures(fit))
  result <- list(parameters = as.list(p), fit = as.list(found[intersect(measures, names(found))]))
  if (lavInspect(fit, "options")$missing == "ml")
    result$corrected <- lavaan:::lav_fit_fiml_corrected(fit,
      version = if (lavInspect(fit, "options")$test == "standard") "V6" else "V3")[c("XX3", "c.hat3", "XX3.null", "c.hat3.null")]
  if (mi) {
    m <- modindices(fit, sort. = TRUE, maximum.number = mi)
    m$group <- if (is.null(m$group)) 1 else m$group
    result$modification <- as.list(m[c("lhs", "op", "rhs", "group", "mi", "epc", "sepc.all")])
  }
  result
}

ladder <- function(set, ...) {
  equal <- list(configural = "", metric = "loadings", scalar = c("loadings", "intercepts"),
    strict = c("loadings", "intercepts", "residuals"))
  fits <- lapply(equal, function(e) fitted(set, three, group = "school", meanstructure = TRUE, group.equal = e, ...))
  steps <- lapply(2:4, function(k) {
    t <- lavTestLRT(fits[[k - 1]], fits[[k]])
    list(statistic = t[2, "Chisq diff"], df = t[2, "Df diff"], p = t[2, "Pr(>Chisq)"])
  })
  released <- lapply(fits[c("metric", "scalar")], function(f) {
    p <- parTable(f)
    t <- suppressWarnings(lavTestScore(f))$uni
    at <- match(t$rhs, p$plabel)
    list(lhs = p$lhs[at], op = p$op[at], rhs = p$rhs[at], statistic = t$X2)
  })
  list(fits = lapply(fits, told), metric_modification = told(fits$metric, 20)$modification, steps = steps, released = released)
}

# A misfit in few people, which turns the scaling factor of the difference of 2001 negative.
neurotic <- people[paste0("N", 1:5)]
data$few <- neurotic[complete.cases(neurotic), ]
data$few <- data$few[seq(15, nrow(data$few), by = 30), ]
few <- lapply(c("", "\nN1 ~~ N3"), function(more) fitted("few", paste0(line("N"), more), estimator = "MLR", std.lv = TRUE))
positive <- lavTestLRT(few[[1]], few[[2]], method = "satorra.2000", A.method = "delta")

out <- list(
  versions = list(R = as.character(getRversion()), lavaan = as.character(packageVersion("lavaan"))),
  holzinger_ml = told(fitted("holzinger", three), 100),
  holzinger_means = told(fitted("holzinger", three, meanstructure = TRUE)),
  holzinger_mlr = told(fitted("holzinger", three, estimator = "MLR")),
  holzinger_cluster = told(fitted("holzinger", three, estimator = "MLR", cluster = "team")),
  second_ml = told(fitted("holzinger", second)),
  second_mlr = told(fitted("holzinger", second, estimator = "MLR")),
  gaps_ml = told(fitted("gaps", three, missing = "ml"), 20),
  gaps_mlr = told(fitted("gaps", three, estimator = "MLR", missing = "ml")),
  gaps_cluster = told(fitted("gaps", three, estimator = "MLR", missing = "ml", cluster = "team")),
  ladder_ml = ladder("holzinger"),
  ladder_mlr = ladder("holzinger", estimator = "MLR"),
  ladder_gaps = ladder("gaps", estimator = "MLR", missing = "ml"),
  bfi_ml = told(fitted("bfi", five), 20),
  bfi_mlr = told(fitted("bfi", five, estimator = "MLR")),
  bfi_people_mlr = told(fitted("bfi_people", paste(line("A"), line("C"), sep = "\n"), estimator = "MLR", missing = "ml")),
  few = lapply(few, told),
  difference_2000 = list(statistic = positive[2, "Chisq diff"], df = positive[2, "Df diff"])
)
# Whole or not at all.
write_json(out, "normal_theory.json.part", digits = NA, auto_unbox = TRUE, matrix = "rowmajor", pretty = FALSE)
invisible(file.rename("normal_theory.json.part", "normal_theory.json"))
