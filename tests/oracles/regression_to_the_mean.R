# Oracle of analysis/regression_to_the_mean.py: equation 1 of Barnett et al. (2005) as its authors' R code has it (mean 60,
# SD 15, cut-off 40), and base R on linked people. Run here: Rscript --vanilla regression_to_the_mean.R
suppressMessages(library(jsonlite))
sigma <- 15; mu <- 60; cut <- 40
rho <- (0:10) / 10
within <- (1 - rho) * sigma^2; between <- rho * sigma^2
c_of <- function(z) dnorm(z) / (1 - pnorm(z))
published <- list(lowest = within / sqrt(between + within) * c_of((mu - cut) / sigma),
  highest = within / sqrt(between + within) * c_of((cut - mu) / sigma))

d <- read.csv("data/change.csv")
wide <- merge(d[d$wave == 0, ], d[d$wave == 1, ], by = "person", suffixes = c("_before", "_after"))
of <- function(score, r) {
  x <- wide[[paste0(score, "_before")]]; y <- wide[[paste0(score, "_after")]]
  both <- !is.na(x) & !is.na(y); x <- x[both]; y <- y[both]
  one <- function(chosen) {
    middle <- x > quantile(x, 1 / 3) & x < quantile(x, 2 / 3)
    regression <- function(who) (1 - r) * (mean(x) - mean(x[who]))
    test <- t.test(y[chosen] - x[chosen])
    beyond <- t.test(y[chosen] - x[chosen] - regression(chosen), y[middle] - x[middle] - regression(middle))
    list(n = sum(chosen), mean_before = mean(x[chosen]), estimate = unname(test$estimate), se = test$stderr, df = unname(test$parameter),
      ci = as.numeric(test$conf.int), regression = regression(chosen), shift = mean((y - x)[middle]) - regression(middle),
      beyond = -diff(unname(beyond$estimate)), beyond_low = beyond$conf.int[1], beyond_high = beyond$conf.int[2])
  }
  list(lowest = one(x <= quantile(x, 1 / 3)), highest = one(x >= quantile(x, 2 / 3)))
}
out <- list(versions = list(R = as.character(getRversion())), rho = rho, published = published, total = of("total", .8), part = of("part", .6))
write_json(out, "regression_to_the_mean.json", digits = NA, auto_unbox = TRUE)
