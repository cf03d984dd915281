"""The rows of the campaign, by name, in the order they run."""

from rows import kills

ROWS = {
    "NL-1": kills.random_kills,
}
