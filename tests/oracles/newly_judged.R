# Oracle of analysis/newly_judged.py: cells and people counted in base R, on answers with reasons beside the scale that stand as
# 97 (don't know) and 99 (not started). Run here: Rscript --vanilla newly_judged.R
suppressMessages(library(jsonlite))
people <- 23; items <- paste0("i", 1:6)
draw <- function(shift) matrix(((seq_len(people * 6) * 37 + shift * 11) %% 8) + 1, people, 6)
coded <- function(x) { x[x == 6] <- 97; x[x == 7] <- 99; x[x == 8] <- 98; x }
before <- coded(draw(0)); after <- coded(draw(3))
after[5, ] <- 4; before[7, 2] <- NA; after[9, 3] <- NA; before[11, ] <- 97
is_number <- function(x) !is.na(x) & x <= 5
is_reason <- function(x) !is.na(x) & x > 5
of <- function(columns) {
  b <- before[, columns]; a <- after[, columns]
  both <- is_number(b) & is_number(a); to <- is_reason(b) & is_number(a); from <- is_number(b) & is_reason(a)
  change <- sapply(seq_len(people), function(i) mean((a - b)[i, both[i, ]]))
  test <- t.test(change[!is.nan(change)])
  list(cells = sum((is_number(b) | is_reason(b)) & (is_number(a) | is_reason(a))), both = sum(both), to_number = sum(to),
    to_number_dont_know = sum(to & b == 97, na.rm = TRUE), to_number_not_started = sum(to & b == 99, na.rm = TRUE),
    to_number_other = sum(to & b == 98, na.rm = TRUE), from_number = sum(from),
    neither = sum(is_reason(b) & is_reason(a)), people_to_number = sum(apply(to, 1, any)), people_from_number = sum(apply(from, 1, any)),
    mean_newly = mean(a[to]), mean_both_after = mean(a[both]), n = unname(test$parameter) + 1, estimate = unname(test$estimate),
    se = test$stderr, df = unname(test$parameter), ci_low = test$conf.int[1], ci_high = test$conf.int[2])
}
out <- list(versions = list(R = as.character(getRversion())), items = items, before = before, after = after,
  first = of(1:3), second = of(4:6), all = of(1:6))
write_json(out, "newly_judged.json", digits = NA, auto_unbox = TRUE, na = "null")
