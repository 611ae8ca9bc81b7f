"""From raw data to arrays: where files come from, how they are verified, what is written."""
