"""How a dataset comes: its archive is downloaded, checked and unpacked."""
