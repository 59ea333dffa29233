"""Where samples go on to: one small file for each kind of listener."""
