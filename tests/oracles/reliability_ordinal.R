# Oracle of analysis/reliability.py beyond alpha and omega. Run here: Rscript reliability_ordinal.R
suppressMessages({
  library(psych); library(GPArotation); library(lavaan); library(semTools); library(jsonlite)
})

# Simulated: 60 teams of 3 to 9 people, eight skewed five-point items, of which y5 to y8 share a wording factor.
set.seed(33)
size <- sample(3:9, 60, replace = TRUE)
team <- rep(seq_along(size), size)
n <- length(team)
trait <- sqrt(.3) * rnorm(60)[team] + sqrt(.7) * rnorm(n)
method <- rnorm(n)
loading <- c(.8, .7, .7, .6, .7, .6, .6, .5)
on_method <- c(0, 0, 0, 0, .4, .4, .5, .3)
y <- sapply(1:8, function(i) {
  z <- loading[i] * trait + on_method[i] * method + sqrt(1 - loading[i]^2 - on_method[i]^2) * rnorm(n)
  findInterval(z, c(-2, -1.4, -.7, .3)) + 1L
})
colnames(y) <- paste0("y", 1:8)
write.csv(data.frame(team = team, y), "data/reliability_teams.csv", row.names = FALSE)

bfi <- read.csv("data/bfi_people.csv")
reversed <- c("A1", "C4", "C5", "E1", "E2", "O2", "O5", paste0("N", 1:5))
bfi[reversed] <- 7 - bfi[reversed]
of <- lapply(setNames(nm = c("A", "C", "E", "N", "O")), function(s) paste0(s, 1:5))
every <- unlist(of, use.names = FALSE)
complete <- bfi[complete.cases(bfi[every]), every]
teams <- read.csv("data/reliability_teams.csv")
sparse <- read.csv("data/sparse.csv")

quiet <- function(code) {
  invisible(capture.output(value <- suppressMessages(suppressWarnings(code))))
  value
}

# All splits. psych 2.2.9's splitHalf looks at only half of them where the number of items is odd.
halves <- function(r) {
  p <- ncol(r)
  found <- apply(combn(p, p %/% 2), 2, function(o) 4 * sum(r[o, -o]) / sum(r))
  list(best = max(found), worst = min(found), mean = mean(found))
}

# Sampling error of functions of the covariances that does not suppose normal answers: a saturated model.
saturated <- function(d, ..., ordered = FALSE) {
  v <- setdiff(names(d), "team")
  pairs <- combn(v, 2)
  label <- paste0("c_", pairs[1, ], "_", pairs[2, ])
  covariances <- paste(pairs[1, ], "~~", label, "*", pairs[2, ])
  k <- length(v)
  total <- paste(label, collapse = "+")
  if (ordered) {
    syntax <- c(covariances, sprintf("alpha := %d/%d*(1 - %d/(%d + 2*(%s)))", k, k - 1, k, k, total))
    fit <- quiet(cfa(syntax, d, ordered = v, estimator = "WLSMV"))
  } else {
    variance <- paste0("v_", v)
    r <- paste0(label, "/sqrt(v_", pairs[1, ], "*v_", pairs[2, ], ")")
    sr <- paste(r, collapse = "+")
    squares <- paste0("(", r, ")^2", collapse = "+")
    syntax <- c(
      covariances, paste(v, "~~", variance, "*", v),
      sprintf("alpha := %d/%d*2*(%s)/(%s+2*(%s))", k, k - 1, total, paste(variance, collapse = "+"), total),
      sprintf("standardised := %d/%d*2*(%s)/(%d+2*(%s))", k, k - 1, sr, k, sr),
      sprintf("lambda_2 := (2*(%s) + sqrt(%d/%d*2*(%s)))/(%d+2*(%s))", sr, k, k - 1, squares, k, sr)
    )
    fit <- quiet(cfa(syntax, d, ...))
  }
  pe <- parameterEstimates(fit)
  pe <- pe[pe$op == ":=", ]
  setNames(as.list(pe$se), pe$lhs)
}

ordinal <- function(d) {
  fit <- quiet(cfa(paste("f =~", paste(names(d), collapse = "+")), d, ordered = names(d), estimator = "WLSMV",
    std.lv = TRUE))
  list(
    alpha = unname(quiet(compRelSEM(fit, tau.eq = TRUE, ord.scale = FALSE))),
    alpha_se = saturated(d, ordered = TRUE)$alpha,
    omega = unname(quiet(compRelSEM(fit, obs.var = FALSE))),
    omega_observed = unname(quiet(compRelSEM(fit)))
  )
}

one_scale <- function(d, factors, with_ordinal = TRUE) {
  r <- cor(d)
  a <- quiet(alpha(d, check.keys = FALSE))
  feldt <- alpha.ci(a$total$raw_alpha, n.obs = nrow(d), n.var = ncol(d))
  g <- quiet(guttman(r))
  out <- list(
    n = nrow(d), item = names(d), alpha = a$total$raw_alpha, alpha_low = feldt$lower.ci, alpha_high = feldt$upper.ci,
    alpha_standardised = a$total$std.alpha,
    lambda = c(g$lambda.1, g$lambda.2, g$lambda.3, NA, g$lambda.5, g$lambda.6),
    se = saturated(d, se = "robust.sem"),
    schmid_leiman = lapply(factors, function(k) {
      o <- quiet(omega(r, k, flip = FALSE, plot = FALSE, n.obs = nrow(d)))
      residual <- r - tcrossprod(unclass(o$schmid$orthog))
      list(factors = k, total = o$omega.tot, hierarchical = o$omega_h, residual = sum(residual[lower.tri(residual)]^2))
    })
  )
  if (ncol(d) <= 10) {
    out$halves <- halves(r)
    if (ncol(d) %% 2 == 0) {
      s <- quiet(splitHalf(r, brute = TRUE, check.keys = FALSE))
      out$psych_halves <- list(best = s$maxrb, worst = s$minrb, mean = s$meanr)
    }
  }
  if (with_ordinal) out$ordinal <- ordinal(d)
  out
}

# A trait behind all items, a wording factor behind some; the score is the mean of the mean of either wording.
balanced <- function(d, other) {
  v <- names(d)
  weight <- ifelse(v %in% other, .5 / length(other), .5 / (length(v) - length(other)))
  on <- if (length(other) > 2) paste0("m", seq_along(other)) else rep("m", length(other))
  trait <- paste0("(", paste0(weight, "*l", seq_along(v), collapse = "+"), ")^2")
  wording <- paste0("(", paste0(weight[match(other, v)], "*", on, collapse = "+"), ")^2")
  error <- paste0(weight^2, "*e", seq_along(v), collapse = "+")
  fit <- quiet(cfa(c(
    paste("t =~", paste0("l", seq_along(v), "*", v, collapse = "+")),
    paste("w =~", paste0(on, "*", other, collapse = "+")), "t ~~ 0*w",
    paste0(v, " ~~ e", seq_along(v), "*", v),
    paste("omega :=", trait, "/ (", trait, "+", wording, "+", error, ")")
  ), d, std.lv = TRUE, se = "robust.sem"))
  pe <- parameterEstimates(fit)
  row <- pe[pe$op == ":=", ]
  list(other = other, omega = row$est, se = row$se, chi2 = unname(fitMeasures(fit, "chisq")),
    df = unname(fitMeasures(fit, "df")))
}

pairwise <- function(d) {
  a <- quiet(alpha(d, check.keys = FALSE))
  # Correlations from covariances, as alpha() and splitHalf() do; guttman() on answers takes each pair's own deviations.
  g <- quiet(guttman(cov2cor(cov(d, use = "pairwise"))))
  known <- crossprod(!is.na(d))
  list(item = names(d), n = min(known), alpha = a$total$raw_alpha, alpha_standardised = a$total$std.alpha,
    lambda = c(g$lambda.1, g$lambda.2, g$lambda.3, NA, g$lambda.5, g$lambda.6))
}

clustered <- function(d) {
  v <- setdiff(names(d), "team")
  k <- seq_along(v)
  sum_of <- function(x) paste0("(", paste0(x, k, collapse = "+"), ")")
  fit <- quiet(cfa(c(
    paste("f =~", paste0("l", k, "*", v, collapse = "+")), paste0(v, " ~~ e", k, "*", v),
    paste0("omega := ", sum_of("l"), "^2/(", sum_of("l"), "^2+", sum_of("e"), ")")
  ), d, std.lv = TRUE, estimator = "MLR", information = "expected", cluster = "team"))
  pe <- parameterEstimates(fit)
  c(saturated(d, estimator = "MLR", cluster = "team"), omega = pe$se[pe$label == "omega"])
}

out <- list(
  versions = c(list(R = as.character(getRversion())),
    lapply(setNames(nm = c("psych", "GPArotation", "lavaan", "semTools")), function(p) as.character(packageVersion(p)))),
  scales = c(
    lapply(of, function(v) one_scale(complete[v], 2)),
    list(
      teams = one_scale(teams[paste0("y", 1:8)], 2:3),
      sparse = one_scale(sparse[paste0("s", 1:5)], 2)
    )
  ),
  all_items = {
    o <- quiet(omega(cor(complete), 5, flip = FALSE, plot = FALSE, n.obs = nrow(complete)))
    list(total = o$omega.tot, hierarchical = o$omega_h)
  },
  # Without a gap on the scale's own items.
  own_complete = lapply(of, function(v) {
    d <- na.omit(bfi[v])
    o <- quiet(omega(cor(d), 2, flip = FALSE, plot = FALSE, n.obs = nrow(d)))
    list(item = v, total = o$omega.tot, hierarchical = o$omega_h,
      communality = unname(rowSums(unclass(o$schmid$orthog)^2)))
  }),
  pairwise = lapply(of, function(v) pairwise(bfi[v])),
  balanced = list(
    teams = balanced(teams[paste0("y", 1:8)], paste0("y", 5:8)),
    three = balanced(teams[paste0("y", 1:7)], paste0("y", 5:7)),
    two = balanced(complete[of$C], c("C4", "C5"))
  ),
  clustered = clustered(teams)
)
write_json(out, "reliability_ordinal.json", digits = NA, auto_unbox = TRUE, pretty = TRUE)
