# Oracle of analysis/invariance.py with teams: ladders of lavaan with cluster-robust MLR, over groups.
# Run here: Rscript invariance_clusters.R
suppressMessages({library(lavaan); library(jsonlite)})

# invariance_clusters.csv: simulated. Two groups of 40 teams with 5 people each, two factors behind six items;
# people of one team share part of the factors and part of every item.
set.seed(31)
n <- 400
team <- rep(1:80, each = 5)
group <- ifelse(team <= 40, "north", "south")
f <- sapply(1:2, function(i) sqrt(.3) * rnorm(80)[team] + sqrt(.7) * rnorm(n))
f[, 2] <- .5 * f[, 1] + sqrt(.75) * f[, 2]
y <- sapply(1:6, function(i) {
  l <- c(.8, .7, .6, .75, .65, .7)[i]
  round(l * f[, (i > 3) + 1] + sqrt(1 - l^2) * (sqrt(.2) * rnorm(80)[team] + sqrt(.8) * rnorm(n)), 4)
})
d <- data.frame(setNames(as.data.frame(y), paste0("y", 1:6)), group = group, team = team)
write.csv(d, "data/invariance_clusters.csv", row.names = FALSE, quote = FALSE)

model <- "a =~ y1 + y2 + y3\nb =~ y4 + y5 + y6"
steps <- list(configural = "", metric = "loadings", scalar = c("loadings", "intercepts"),
  strict = c("loadings", "intercepts", "residuals"))
fits <- lapply(steps, function(e) cfa(model, d, group = "group", std.lv = TRUE, group.equal = e, estimator = "MLR",
  cluster = "team"))
out <- list(
  fit = lapply(fits, function(f) as.list(fitMeasures(f)[c("chisq", "df", "chisq.scaled", "cfi.scaled", "rmsea.scaled",
    "srmr")])),
  difference = lapply(2:4, function(i) {
    t <- lavTestLRT(fits[[i - 1]], fits[[i]])
    list(statistic = t[2, "Chisq diff"], df = t[2, "Df diff"], p = t[2, "Pr(>Chisq)"])
  }),
  loadings = {
    e <- parameterEstimates(fits$strict)
    e <- e[e$op == "=~" & e$group == 1, ]
    list(item = e$rhs, estimate = e$est, se = e$se)
  },
  versions = list(R = R.version.string, lavaan = as.character(packageVersion("lavaan")))
)
write_json(out, "invariance_clusters.json", auto_unbox = TRUE, digits = NA, pretty = TRUE)
