"""Words that carry no meaning of their own, by language: short lists, casefolded, sorted.

The English list is sharp on question words and their auxiliaries, so that a question's terms are
what it asks about.
"""

from __future__ import annotations

_AR = """
أحد أصبح أكثر ألا أما أن أنا أنت أنه أنها أو أول أي أية أيضا أين أيهما إذ إذا إلا إلى إن إنه
إنها التي الذي الذين اللذان بأن بعد بعض بل به بها بين بينما تحت تكون تلك تم ثم جدا حتى حول
حيث خلال دون ذا ذات ذلك سوف سوى ضد عام عبر عدة عدد على عليه عليها عن عند عندما عنه عنها غير
فإن فقد فقط في فيه فيها قبل قد كان كانت كانوا كل كلا كم كما كيف لا لدى لقد لكن لكنه لكنها لم
لما لماذا لن له لها لهذا لهم لو ليس ليست ما ماذا متى مثل مع من منذ منه منها منهم نحن نحو
هؤلاء هذا هذه هل هم هن هنا هناك هو هي وأن وإن والتي والذي وقد وكان وكانت ولا ولكن ولم وما
ومن وهو وهي يكون
"""
_DE = """
aber alle allem allen aller alles als also am an ander andere anderen anderer auch auf aus bei
beim bin bis bist da damit dann das dass dein dem den denn der des dich die dies diese diesem
diesen dieser dieses dir doch dort du durch ein eine einem einen einer eines er es etwas euch für
gegen haben hat hatte hatten hier hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ins
ist jede jedem jeden jeder jedes kann kein keine keinen können machen man mein meine mich mir mit
muss nach nicht nichts noch nun nur ob oder ohne sehr sein seine seinem seinen seiner seit sich
sie sind so solche soll sollte sondern um und uns unser unter vom von vor wann war waren warum
was weil welche welchem welchen welcher welches wem wen wenn wer werden wie wieder will wir wird
wo wurde wurden während würde zu zum zur zwar zwischen über
"""
# With what people type without its apostrophe, where that is no other word ("well", "were").
_EN = """
a about above after again against all also am an and any are arent as at be because been before
being below between both but by can cannot cant could couldnt did didnt do does doesnt doing dont
down during each either else ever few for from further had hadnt has hasnt have havent having he
her here hers herself him himself his how however i if im in into is isnt it its itself ive just
may me might more most much must my myself neither no nor not of off on once only or other our
ours ourselves out over own per same shall she should shouldnt since so some such than that thats
the their theirs them themselves then there these they theyre this those though through to too
under until up upon us very was wasnt we were werent what whatever whats when where whether which
while who whom whose why will with within without wont would wouldnt yet you your youre yours
yourself yourselves
"""
_ES = """
a al algo algunos ante antes aquel aquella aquellos aunque cada como con contra cual cuando
cuándo cuál cuáles cómo de del desde donde dónde durante e el ella ellas ellos en entre era eran
es esa esas ese eso esos esta estaba estado estas este esto estos está están fue fueron ha había
habían han hasta hay la las le les lo los me mi muy más ni no nos o os para pero por porque que
quien quién quiénes qué se sea ser si sin sobre son su sus sí también tan tanto te tiene tienen
todo todos tu un una unas uno unos y ya yo él
"""
_FR = """
ai ainsi alors au aucun aussi autre aux avait avant avec avoir c ce ceci cela celle celles celui
ces cet cette ceux chaque comme comment d dans de des donc dont du elle elles en encore entre est
et eux fait fut ils il j je l la le les leur leurs lors lui m ma mais me mes moi mon même n ne ni
nos notre nous on ont ou où par pas pendant peut plus pour pourquoi qu quand que quel quelle
quelles quels qui quoi s sa sans se selon ses si son sont sous sur t ta te tes toi ton tous tout
toute toutes très tu un une vers vos votre vous y à été était étaient être
"""
_IT = """
a ad agli ai al alla alle allo anche ancora avere aveva c che chi ci co come con contro cui d da
dagli dai dal dalla dalle dallo degli dei del dell della delle dello di dopo dove e ed era erano
essere fino fra fu ha hanno ho i il in io l la le lei li lo loro lui ma me mentre mi mia mio molto
ne negli nei nel nella nelle nello noi non o ogni per perché perchè più poi prima quale quali
quando quanto quella quelle quelli quello questa queste questi questo qui se senza si sia sono
sopra stata stato su sua sue sugli sui sul sulla suo suoi tra tutti tutto un una uno v vi voi è
"""
_KO = """
거의 것 그 그가 그것 그녀 그는 그들 그래서 그러나 그런 그리고 그의 나 나는 너 너무 누가 누구
다른 다시 대한 대해 더 더욱 등 때 때문 때문에 또 또는 또한 많은 매우 몇 모두 모든 무슨 무엇
및 바로 아니다 아주 어느 어디 어떤 어떻게 어째서 언제 얼마 얼마나 여기 왜 우리 위한 위해 이
이것 이는 이런 이를 이미 이후 있는 있다 있었다 저 제 중 즉 지금 통해 하지만 한 함께 했다
"""
_NL = """
aan al alle als altijd andere ben bij daar dan dat de der deze die dit doch doen door dus een en
er ge geen had hadden heb hebben heeft hem het hier hij hoe hun ik in is ja je kan kon kunnen maar
me meer men met mij mijn moet na naar niet niets nog nu of om omdat onder ons onze ook op over
reeds te tegen toch toen tot u uit uw van veel voor waar waarom wanneer want waren was wat we wel
welke werd werden wie wij wil worden wordt zal ze zelf zich zij zijn zo zonder zou
"""
_PT = """
a ainda ao aos aquela aquele aqueles as até cada com como contra cuja cujo da das de dela dele
deles depois desde do dos durante e ela elas ele eles em entre era eram essa essas esse esses esta
estas este estes está estão eu foi foram há isso isto já lhe lhes mais mas me mesmo meu minha
muito na nas nem no nos nossa nosso não nós o onde os ou para pela pelas pelo pelos por porque
qual quais quando quanto que quem se sem ser seu seus sobre sua suas são só também te tem tinha
todos tu tudo têm um uma umas uns você vocês à às é
"""

STOP_WORDS: dict[str, frozenset[str]] = {
    "ar": frozenset(_AR.split()),
    "de": frozenset(_DE.split()),
    "en": frozenset(_EN.split()),
    "es": frozenset(_ES.split()),
    "fr": frozenset(_FR.split()),
    "it": frozenset(_IT.split()),
    "ko": frozenset(_KO.split()),
    "nl": frozenset(_NL.split()),
    "pt": frozenset(_PT.split()),
}
_ARTICLES = "the a an le la les el los las il lo der die das het"
ARTICLES = frozenset(_ARTICLES.split())
