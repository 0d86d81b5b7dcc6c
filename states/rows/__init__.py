"""The rows of the table, by whose doing they are; `states/table.py` puts them in order, and everybody imports that."""
