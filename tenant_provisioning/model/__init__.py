"""Floor 0: the words of the trade, without any I/O. What reads or writes anything lives a floor higher."""
