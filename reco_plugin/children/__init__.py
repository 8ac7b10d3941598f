"""Processes of our own for work that may crash, leak or be killed: how they begin, speak and end.

Plain Python, and nothing but the standard library until the work itself begins. The parent's half is
`process` with `environment` and `obituary`, the child's is `__main__` with `life` and `voice`.
"""
