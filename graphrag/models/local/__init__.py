"""Embed texts in this process, with a model that is fetched once and needs no server."""
