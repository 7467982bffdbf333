"""What users may pass: series, labels, weights, formats, paths; read, checked, with errors."""
