"""What computes barcodes: compiled code on the host, and array programs."""
