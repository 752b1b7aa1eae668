"""Answer over community reports by map and reduce."""
