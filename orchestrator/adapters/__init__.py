"""One module per vendor that plays a port's role; only here are a vendor's spellings known."""
