"""Whether a text is in a language whose refusals are known here (English, and those of ``refusals_abroad``).

A text in another language is neither an answer nor a refusal to somebody who cannot read it. It is told by its script,
and among languages of one script by the letters or the commonest words that only others have. A text that shows neither
(a name, a number, noise) is not said to be in another language.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter

# Scripts of which at least one language is known, by the first word of a letter's name in Unicode.
_SCRIPTS = {
    *("LATIN", "CYRILLIC", "CJK", "HIRAGANA", "KATAKANA", "HANGUL", "ARABIC", "DEVANAGARI", "BENGALI"),
    *("FULLWIDTH", "HALFWIDTH", "MODIFIER", "MATHEMATICAL", "SCRIPT", "DOUBLE-STRUCK", "BLACK-LETTER", "MICRO"),
    *("FEMININE", "MASCULINE", "KATAKANA-HIRAGANA", "IDEOGRAPHIC"),
}
LEAST = 6  # letters of another script that are no formula

# Function words of known languages, to hold against those of others: English (and words that it shares with those),
# Spanish, Portuguese, French, Italian, Romanian, German, Dutch, Swedish, Danish, Polish, Czech, Zulu, Swahili,
# Afrikaans, Turkish, Indonesian, Vietnamese, Hungarian, Finnish.
_KNOWN = """
    the and of to in is you that it for on are with as be this have from or not at by your can if i a an will we my
    so do no he me go men get net bat ha usa hi kin sam el la los las de que y en un una por con para es se del al
    lo como su o e os as da em um uma não com le les des du et à est pour dans il di che per non sono della ca și pe
    cu nu din este der die das und ist nicht ein eine zu mit den von auf het een van dat niet op te och att det som
    på för inte af ikke nie w na z się jest v je se že s ukuthi futhi uma ya wa kwa ni katika bir ve bu için ile
    yang dan untuk dengan tidak là của và các một không az és hogy nem egy ja ei että
"""
# Tagalog, Cebuano; Hausa, Yoruba, Igbo, Somali; Welsh, Irish, Scottish Gaelic; Estonian, Latvian, Lithuanian;
# Serbo-Croatian, Slovene, Slovak, Albanian, Basque, Maltese, Azerbaijani, Uzbek; Icelandic, Esperanto, Latin; Haitian,
# Malagasy, Hawaiian, Maori, Samoan; Sotho, Tswana, Shona, Chichewa, Rwanda; Kurdish, Hmong, Luxembourgish, Frisian,
# Guarani, Quechua, Breton, Corsican, Galician.
_OTHERS = """
    ang ng mga sa ako ikaw hindi iyon ito kung paano nang aking nga wala dili kini ug ba zan iya ka wannan abin
    yadda cikin wani ne ce kuma mi ò lè ti ní àti fún kí ṣe pé awọn nke ihe gị enweghị ike waxaan waa iyo oo ku aan
    karo waxa mae yn ar yr i'r gyda gen helpu gallu ddim gallaf hynny hwn wedi tá agus níl sé bhfuil chan eil tha
    sibh airson seo ma saa see seda kui mis oma või ning nevaru un ir kas tas jūs jums aš negaliu yra kad kaip mogu
    li što kako ali nije ovo vam morem lahko nemôžem ako aby ktoré nuk mund të dhe që një është eta ez dut egin
    baina ere nistax biex ta' għal mən edə və üçün men qila va uchun bilan emas ég ekki og að það þú við povas kaj
    estas ke possum quod mwen pa kapab nan ou pou tsy afaka ny sy amin'ny izany aole kēia kaore taea nga aua mafai
    ona khone ho ea hore ga kgone handikwanisi kuti sindingathe ndi simbashije mu ibyo nikarim û ji bo kuv tsis tau
    rau cov ech kann fir ik fan ndaikatui ha'e upe mana atinichu kaypi n'hallan ket ur micca ùn pò podo axudar esta
"""
_WORD = re.compile(r"[^\W\d_][\w'’-]*")
# Letters of Cyrillic (Kazakh, Tatar, Mongolian, Serbian, Macedonian, Belarusian), Arabic (Pashto, Sindhi, Uyghur,
# Kurdish) and Bengali (Assamese) scripts that no known language has; words of Bulgarian, Marathi and Nepali.
_LETTERS = re.compile("[әғқңөұүһҗђјљњћџѓќѕўөү]|[ټډړږښڼڄڃۆۇۈۋەڕڵێ]|[ৰৱ]")
_WORDS = re.compile(
    r"\b(?:съм|сте|това|който|няма|може|как|ще)\b|(?:\b|^)(?:आहे|नाही|आणि|मी|छ|छैन|सक्दिन|तपाईं|गर्न)(?:\b|$|\s)"
)
KNOWN = frozenset(_KNOWN.split())
OTHERS = frozenset(_OTHERS.split()) - KNOWN


def known(form: str) -> bool:
    """Whether nothing says that a text in plain form is in a language that is not known here."""
    letters = [c for c in form if c.isalpha()]
    scripts = Counter(unicodedata.name(c, "LATIN").split()[0] for c in letters)
    foreign = sum(n for script, n in scripts.items() if script not in _SCRIPTS)
    if foreign >= LEAST and 2 * foreign > len(letters):
        return False
    if scripts["LATIN"] * 2 > len(letters):
        said = _WORD.findall(form)
        others, ours = (sum(word in words for word in said) for words in (OTHERS, KNOWN))
        return others < 2 or others <= ours
    return len(_LETTERS.findall(form)) < 3 and len(_WORDS.findall(form)) < 2
