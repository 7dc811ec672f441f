"""Words that say nothing of what was asked: a sentence of these alone is a courtesy ("Sure! I'm happy to help.", "Here
is my answer:", "Stay safe and have a nice day!"). Neither "no" nor "not" nor "sorry" is among them."""

from __future__ import annotations

_WORDS = """
    i we you it this that these those there here he me us my mine our your yours yourself yourselves one ones myself
    what how who which when where whether all any some every each more most other else another anything something
    everything anyone someone everyone
    am is are was were be been being do does did done have has had having can could will would shall should may might
    must let go goes going gone get got come comes make made give given put try tried want wanted need like love
    a an the and or but so if for to of in on at with without about by as from up out off into over than then now just
    only really very quite too also well again ever always still actually today tomorrow soon yet even though although
    however nevertheless nonetheless anyway anyways regardless said much many first next finally further back way
    hello hi hey greetings dear good great nice fine lovely excellent wonderful interesting amazing fantastic awesome
    morning afternoon evening night day days week weekend time luck wishes wish regards best kind kindly warm cheers
    sincerely welcome bye goodbye farewell
    question questions ask asks asked asking answer answers answered answering response responses respond reply replies
    request requests requested message prompt query topic information info
    help helps helped helpful helping assist assists assistance assisting support service question's
    happy happily glad gladly pleased delighted pleasure honored honoured thrilled excited eager ready
    please thank thanks grateful appreciate appreciated sure certainly absolutely definitely course surely indeed
    yes yeah yep yup alright right ok okay got understood agreed wow oh ah hmm
    hope hopes care safe well stay take keep remain enjoy feel free hesitate let's know tell say says see hear look
    looking forward sounds seems reach reaching chat talk talking speak discuss explain share show provide offer
    understand understanding understands honest honestly frank frankly personal truth truthful truthfully full complete
    following follows below above final brief short simple simply exactly assistant ai model user friend sir madam
"""
SMALL_TALK = frozenset(_WORDS.split())
