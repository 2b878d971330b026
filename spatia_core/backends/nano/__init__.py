"""The networks trained for this project: one family of small residual U-Nets, weights in `backends/weights`."""
