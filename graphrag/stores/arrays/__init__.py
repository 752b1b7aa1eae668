"""Keep the memory-mapped arrays that path search walks.

`arrays` says which there are and reads them, `building` makes them, of the words that `reading`
finds in the units and of the names that each is about (`names`).
"""
