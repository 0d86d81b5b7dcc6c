"""What the settings are made of: kinds of values, what follows from a variable, what is wrong with one."""
