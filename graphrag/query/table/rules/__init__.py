"""Read a counting question without a model: plain forms, in English and German.

Every word must be accounted for: a word that counts, a type, a relation, an attribute, a key, a
name, a value. One that is none of these is refused by name, so that no part of a question is
passed over. Only where relations have no types may the rest be looked for in sentences.
"""
