"""Search by DRIFT: primer, follow-ups, reduce."""
