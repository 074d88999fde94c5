"""How good results are: the paper's table, and pictures of the best and the worst."""
