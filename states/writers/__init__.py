"""What the rows of the table do: methods of `Draft`, by inheritance, by what they are about."""
