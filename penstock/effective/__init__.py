"""The settings in effect: all that there are, what each is set to, and where that comes from."""
