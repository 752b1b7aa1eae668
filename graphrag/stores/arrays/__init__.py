"""Keep the memory-mapped arrays that path search walks.

`path_index` says which there are and reads them, `building` makes them, of the words that
`postings` finds in the units and of the names that each is about (`subjects`).
"""
