"""How jobs are run: who holds one, which are due, what an execution comes to, how work is shared out."""
