"""Text units and entities in; the memory-mapped arrays that path search walks, out.

`arrays` says which there are and reads them, `building` makes them, of the words that `reading`
finds in the units and of the names that each is about (`names`).
"""
