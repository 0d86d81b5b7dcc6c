"""`expert-hub doctor`: whether everything the service needs is there and agrees, and what mends what is not."""
