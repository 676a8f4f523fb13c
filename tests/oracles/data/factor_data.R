# Data of reliability.R and exploratory.R, each of which runs this file first (from the folder above).
#
#   bfi.csv       the first 1000 complete rows of the 25 items of psychTools::bfi
#   bfi_gaps.csv  the first 300 rows of the same items, with their gaps
#     (Revelle, W. (2023). psychTools, GPL (>= 2); answers from the SAPA project, sapa-project.org)
#   sparse.csv    simulated: 150 people, six 5-point items; on `s6` 147 people answer alike
items <- psychTools::bfi[, 1:25]
write.csv(items[complete.cases(items), ][1:1000, ], "data/bfi.csv", row.names = FALSE, na = "")
write.csv(items[1:300, ], "data/bfi_gaps.csv", row.names = FALSE, na = "")
set.seed(20)
f <- rnorm(150)
x <- sapply(c(.8, .7, .7, .6, .5), function(l) {
  as.integer(cut(l * f + sqrt(1 - l^2) * rnorm(150), c(-Inf, -1.5, -.5, .4, 1.2, Inf)))
})
s6 <- rep(4L, 150)
s6[order(.7 * f + .7 * rnorm(150))[1:3]] <- c(1L, 2L, 2L)
write.csv(data.frame(setNames(as.data.frame(x), paste0("s", 1:5)), s6 = s6), "data/sparse.csv", row.names = FALSE)
