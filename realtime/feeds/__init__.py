"""Feeds: what a node reads from replicas near it: changes, maps, declarations, notices. Reads only, decides nothing.

Reading order: ``replica`` (one server, and whose copy it is), ``subscription`` (the channels), ``liveness`` (whether
the region is reachable), ``listener`` (what is delivered, and to whom), ``feed`` (chooses a server and joins these),
``directory`` (theatres, shows and layouts, kept up to date by the feeds).
"""
