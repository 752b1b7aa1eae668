"""Serve indexes to every client: HTTP, OpenAI's chat, the Model Context Protocol."""
