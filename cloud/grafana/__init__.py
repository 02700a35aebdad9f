"""Grafana's dashboards made from device profiles: panels, queries, units, colours and texts. Pure.

Classic JSON with fixed uids: `machine` has what a dashboard of one profile shows, `queries` what it asks of a
store, `panels` how Grafana spells a panel, `variables` what can be chosen.
"""
