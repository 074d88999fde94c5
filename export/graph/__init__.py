"""The graph of an exported model: the attention node, its function, exact rewrites."""
