"""The rules of the house, as tests. Each checker is shown a planted violation first."""
