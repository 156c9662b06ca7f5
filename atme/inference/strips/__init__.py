"""Networks on pictures that are larger than memory: layer by layer, in strips of rows, to what the whole would give."""
