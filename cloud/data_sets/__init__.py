"""Fills a store from a data set on disk: what `qilu plant export` or `qilu query --format csv` wrote."""
