"""English as the quoting model knows it: small words, numbers, endings and irregular forms. Data only."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _pairs(text: str) -> list[tuple[str, str]]:
    return [(left, right) for left, _, right in (pair.partition(":") for pair in text.split())]


SMALL_WORDS = _words(
    """
    a an the and or but of in on at to from by with for as is are was were be been being am do does did done
    has have had this that these those it its he she they them his her their there here i you we my your our
    us me him what which who whom whose when where why how much many long far old often can could will would
    shall should may might must not no so than then also into about over under between during after before
    up out if s t ll re ve d m name tell give list please kind type sort else whether any some such
    """
)
NUMBER_WORDS = _words(
    """
    one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy
    eighty ninety hundred thousand million billion trillion dozen half third quarter once twice first second
    fourth fifth sixth seventh eighth ninth tenth zero none double triple both
    """
)
TIME_WORDS = _words(
    """
    january february march april may june july august september october november december monday tuesday
    wednesday thursday friday saturday sunday century decade spring summer autumn winter
    """
)
# An ending and what stands in its place, longer ones first.
ENDINGS = tuple(
    _pairs(
        """
    ational:ate ization:ize isation:ize fulness:ful iveness:ive ousness:ous ically:ic ations:ate ation:ate
    ments: ment: ities:e ity:e ness: ions: ion: ings: ing: ally:al ors: ers: ies:y ied:y ises:ize ised:ize
    ed: ly: or: er: ances: ance: ence: al: es: ian: an: ic: ive: s: e: y:
    """
    )
)
# A form and the word it is counted as.
IRREGULAR = dict(
    _pairs(
        """
    began:begin begun:begin won:win wrote:write written:write made:make took:take taken:take gave:give
    given:give went:go gone:go saw:see seen:see came:come became:become led:lead held:hold left:leave
    lost:lose built:build found:find knew:know known:know grew:grow grown:grow ran:run sold:sell bought:buy
    fought:fight taught:teach thought:think said:say told:tell kept:keep met:meet paid:pay spent:spend
    sent:send stood:stand broke:break broken:break chose:choose chosen:choose drew:draw drawn:draw fell:fall
    fallen:fall flew:fly rose:rise risen:rise spoke:speak spoken:speak threw:throw thrown:throw wore:wear
    men:man women:woman children:child people:person died:die death:die dead:die born:birth bore:birth
    feet:foot lay:lie laid:lay
    """
    )
)
