"""Say what every store must do, and hold what all stores share."""
