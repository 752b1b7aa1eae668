"""The servers of models: requests, retries and limits, replies, their cache and their cost."""
