"""Split documents into text units and write their context lines."""
