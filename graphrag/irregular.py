"""English words whose forms no stemmer leads back to one another: "wrote", "written" to "write".

Left out are forms that are more often another word or a name (found, ground, rose, Lent).
"""

from __future__ import annotations

# A word, then its forms. Those that only add an ending are the stemmer's.
_WORDS = """
arise arose arisen, awake awoke awoken, beat beaten, become became, begin began begun, bend bent,
bite bitten, bleed bled, blow blew blown, break broke broken, breed bred, bring brought,
build built, burn burnt, buy bought, catch caught, child children, choose chose chosen,
cling clung, come came, creep crept, deal dealt, dig dug, draw drawn, dream dreamt,
drink drank drunk, drive drove driven, dwell dwelt, eat ate eaten, fall fell fallen, feel felt,
fight fought, flee fled, fling flung, fly flew flown, foot feet, forbid forbade forbidden,
forget forgot forgotten, forgive forgave forgiven, freeze froze frozen, give gave given,
goose geese, grow grew grown, hang hung, hear heard, hide hid hidden, hold held, keep kept,
kneel knelt, know knew known, lead led, learn learnt, leave left, light lit, lose lost, make made,
man men, mean meant, meet met, mistake mistook mistaken, mouse mice, overcome overcame,
overthrow overthrew overthrown, pay paid, ride rode ridden, ring rang, rise risen, run ran,
say said, see saw seen, seek sought, sell sold, send sent, sew sewn, shake shook shaken,
shine shone, shoot shot, show shown, shrink shrank shrunk, sing sang sung, sink sank sunk,
sit sat, slay slew slain, sleep slept, slide slid, sow sown, speak spoke spoken, speed sped,
spend spent, spin spun, spring sprang sprung, stand stood, steal stole stolen, stick stuck,
sting stung, strike struck, swear swore sworn, sweep swept, swim swam swum, swing swung,
take took taken, teach taught, tear tore torn, tell told, think thought, throw threw thrown,
tooth teeth, tread trod trodden, undergo underwent undergone, understand understood,
undertake undertook undertaken, uphold upheld, wake woke woken, wear wore worn,
weave wove woven, weep wept, win won, withdraw withdrew withdrawn, withhold withheld,
withstand withstood, woman women, write wrote written
"""
FORMS: dict[str, tuple[str, ...]] = {
    word: tuple(forms) for word, *forms in (entry.split() for entry in _WORDS.split(","))
}
BASES = {form: word for word, forms in FORMS.items() for form in forms}
