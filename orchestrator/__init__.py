"""The shell around the machine: HTTP in, ports out."""
