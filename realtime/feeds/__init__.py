"""Feeds: what a node reads from replicas near it: changes, maps, declarations, notices. Reads only; decides nothing."""
