"""Split documents into text units and situate them."""
