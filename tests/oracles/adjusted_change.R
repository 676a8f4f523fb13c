# Oracle of analysis/adjusted_change.py: lm and lmerTest. Run here: Rscript --vanilla adjusted_change.R
suppressMessages({library(lmerTest); library(jsonlite)})
d <- read.csv("data/change.csv")
wide <- merge(d[d$wave == 0, ], d[d$wave == 1, c("person", "total", "part")], by = "person", suffixes = c("", "_after"))
tight <- lmerControl(optimizer = "nloptwrap", check.conv.singular = "ignore",
  optCtrl = list(xtol_abs = 1e-12, ftol_abs = 1e-12, xtol_rel = 0, ftol_rel = 0, maxeval = 100000))

of <- function(score) {
  rows <- wide[!is.na(wide[[score]]) & !is.na(wide[[paste0(score, "_after")]]), ]
  rows$x <- rows[[score]]; rows$y <- rows[[paste0(score, "_after")]]
  plain <- lm(y ~ x + programme + form, rows)
  s <- summary(plain)$coefficients
  mixed <- lmer(y ~ x + programme + form + (1 | organisation) + (1 | team), rows, control = tight)
  m <- coef(summary(mixed, ddf = "Satterthwaite"))
  list(n = nrow(rows),
    lm = c(s["programme", 1:2], plain$df.residual, confint(plain)["programme", ], s["programme", 3:4], s["x", 1]),
    mixed = c(m["programme", 1:5], m["x", 1]),
    variances = as.data.frame(VarCorr(mixed))$vcov)
}
out <- list(
  versions = list(R = as.character(getRversion()), lme4 = as.character(packageVersion("lme4")), lmerTest = as.character(packageVersion("lmerTest"))),
  total = lapply(of("total"), unname), part = lapply(of("part"), unname)
)
write_json(out, "adjusted_change.json", digits = NA, auto_unbox = TRUE)
