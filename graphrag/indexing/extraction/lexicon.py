"""The words that the name rules know: links inside names, honorifics, what is never a name."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Inside a name before its next capital: "University of Oxford", "Ludwig van Beethoven".
LINKS = _words(
    "of de von van du del della di da dos af av zu zur zum ter al bin ibn bint ben mac ap"
)
SECOND_LINKS = _words("the der den dem la las los le")  # "of the", "de la", "van der"
EPITHETS = _words("great elder younger conqueror terrible bold pious magnificent")
PRONOUNS = _words("i he she it we you they")
# A full stop after these ends no name.
ABBREVIATED = _words(
    "mr mrs ms dr prof st ste sr jr sgt capt col gen lt maj rev hon mt ft messrs mme mlle"
)
# "Dr. Watson" may be called "Watson"; "Sir Arthur Doyle" only "Arthur Doyle".
ALIASED = _words(
    "mr mister dr doctor prof professor herr monsieur señor signor rev reverend "
    " inspector detective sergeant sgt captain capt colonel col lieutenant lt"
)
UNMARRIED = _words("miss ms mlle fräulein")  # their bare family name is first of all another's
MARRIED = _words("mrs mme madame frau señora signora")  # "Mrs. Henry Baker" is not Henry Baker
NOBLE = _words("sir lord lady dame president senator judge")
HONORIFICS = (
    ALIASED
    | MARRIED
    | UNMARRIED
    | NOBLE
    | _words(
        "messrs madam major general king queen prince princess emperor empress count countess "
        "baron baroness duke duchess pope saint maj gen hon sirs master mistress uncle aunt"
    )
)
NO_NAMES = _words(
    "yes no oh ah well now dear indeed certainly perhaps good god heaven heavens thank thanks "
    "please hello ok okay alas hum ha halloo january february march april may june july august "
    "september october november december monday tuesday wednesday thursday friday saturday "
    "sunday jan feb mar apr jun jul aug sep sept oct nov dec chapter part section figure fig slide "
    "table volume vol book act scene appendix page pp no contents introduction project esq sheet "
    "gentlemen gentleman ladies good-bye goodbye"
)
# English words that make a phrase too common to be a term.
LIGHT = _words(
    "one two three four five six seven eight nine ten many several every first second third last "
    "next little good great big small quite even still never ever always often soon later early "
    "ago away back long time times day days night year years hour hours minute minutes moment "
    "week weeks month months way ways thing things man men woman people get gets got come comes "
    "came go goes went gone make makes made take takes took taken give gave given put set let "
    "see saw seen say said know knew known think thought look looked looking find found keep "
    "kept turn turned turning tell told like well much less least far near enough right left "
    "upon also however therefore thus yet else rather indeed perhaps without among shall must "
    "new old young other another such whole large side end place part number matter deal sort "
    "kind lot bit half full able seem seems seemed become became begin began call called use "
    "used across along around behind beside besides beneath toward towards onto forward together "
    "apart everything something anything nothing everyone someone everybody somebody change "
    "held hold cut step stepped"
)
SAYING = _words(
    "said says asked replied answered cried remarked shouted whispered exclaimed observed "
    "murmured added sagte fragte dijo dit"
)
ORGANIZATION = _words(
    "inc corp corporation ltd llc plc gmbh ag co company companies university universität "
    "institute institut bank association party committee ministry department council agency "
    "group records studios pictures films orchestra club college school hospital museum "
    "foundation society union federation commission court parliament press laboratories labs "
    "league army navy airlines church"
)
EVENT = _words(
    "war wars revolution battle siege treaty uprising rebellion revolt conference olympics "
    "championship festival election massacre crisis"
)
LOCATION = _words(
    "street road avenue square lane terrace river lake mountain mountains island islands "
    "county city valley bridge sea ocean bay park peninsula province district desert forest "
    "straße strasse platz"
)
LOCATION_FIRST = _words("mount mt lake fort port river cape")
CAPITAL_NOUNS = _words("de lb")  # languages that write every noun with a capital
# German words before what there are many of: "eine Datei", but not "eine Schweiz".
COUNTING = _words(
    "ein eine einen einem einer eines kein keine keinen keinem keiner keines jede jeder jedes "
    "jeden jedem diese dieser dieses diesen diesem welche welcher welches welchen welchem mehrere "
    "mehrerer mehreren einige einiger einigen viele vieler vielen alle aller allen solche solcher "
    "solchen zwei drei"
)
