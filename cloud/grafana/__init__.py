"""Grafana's dashboards of device profiles and of edges: panels, queries, units, colours and texts. Pure.

Classic JSON with fixed uids: `machine` has what a dashboard of one profile shows, `queries` what it asks of a
store, `panels` how Grafana spells a panel. `dashboard_set` has those about many edges, and `edge_queries`
what these ask.
"""
