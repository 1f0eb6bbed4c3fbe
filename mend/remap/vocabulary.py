"""Words of column names: what stands for what, and which words change the meaning of the name they are added to."""

ABBREVIATIONS = """
acct account|acc account|addr address|adr address|adm admission|admin administration|adv advertisement|alt altitude
amt amount|apt apartment|appt appointment|arr arrival|attr attribute|auth authorization|avg average|bal balance
batt battery|bday birthday|bgn begin|bldg building|bp pressure|br branch|brwsr browser|bytes byte|cat category|catg category
cd code|chg charge|chk check|cls class|cmt comment|cnt count|cntry country|ctry country|co company|coeff coefficient
comm comment|cond condition|conf confidence|cons consumption|corp corporation|cpu processor|cr credit|crncy currency
ccy currency|curr currency|cur current|cust customer|cstmr customer|ctgry category|cty city|dbl double|deg degree
del delete|dep departure|dept department|desc description|descr description|dest destination|dev device|diag diagnosis
diff difference|dim dimension|dir direction|disc discount|dist distance|div division|dly delay|dob birthdate|doc document
dpt department|dr doctor|drv driver|dst destination|dt when|dttm when|dur duration|ea each|elev elevation|em email
eml email|emp employee|empl employee|env environment|equip equipment|err error|est estimate|evt event|exch exchange
exp expiry|ext extension|fac facility|fld field|flg flag|flt flight|fname firstname|fn firstname|freq frequency|fwd forward
gend gender|gndr gender|geo geography|govt government|gp group|grp group|hdr header|hosp hospital|hr hour|hum humidity
img image|inc income|ind indicator|info information|ins insurance|inst institution|inv invoice|ip ipaddress|itm item
kwh kilowatthour|lang language|lat latitude|len length|lgth length|lic license|lname lastname|ln lastname|lng longitude
loc location|lon longitude|long longitude|lst list|lvl level|mag magnitude|maint maintenance|manuf manufacturer
max maximum|med medication|mfg manufacturer|mfr manufacturer|mgr manager|mid middle|min minimum|misc miscellaneous
mkt market|mktg marketing|mob mobile|mod modified|mon month|msg message|msmt measurement|mth month|mtr meter|nat nationality
nbr number|net network|nm name|no number|nr number|num number|obj object|obs observation|occ occupation|op operation
opt option|ord order|org organization|orig origin|os operatingsystem|par parent|pat patient|pax passenger|pct percent
perc percent|perf performance|phn phone|ph phone|pic picture|pk id|pkg package|plt plant|pmt payment|pnt point|pos position
pref preference|pres pressure|press pressure|prev previous|prc price|pri priority|prod product|prof profession|proj project
prov provider|prty priority|ptnt patient|pub publisher|purch purchase|pwr power|qlty quality|qty quantity|qnty quantity
rcpt receipt|rcvd received|rec record|recv received|ref reference|reg region|rel relative|rem remark|req request|res resource
resp response|ret return|rev revenue|rgn region|rm room|rms room|rtng rating|rt rate|rx prescription|sal salary
sched schedule|sec second|seg segment|sens sensor|seq sequence|sess session|sev severity|sgmt segment|shp shipment|sig signal
sn serial|spd speed|sq square|src source|stat status|sts status|std standard|stmt statement|stn station|str street
strt street|sub subscription|subj subject|subs subscription|supp supplier|sup supplier|svc service|sys system|sz size
tel phone|temp temperature|tmp temperature|term terminal|tgt target|tm when|tot total|tr transaction|trk track|trx transaction
ts when|ttl total|tx transaction|txn transaction|txt text|typ type|tz timezone|uid userid|usr user|util utilization
val value|veh vehicle|vel velocity|ver version|vol volume|volt voltage|wt weight|whse warehouse|wh warehouse|wk week
wgt weight|xact transaction|yr year|zn zone|cnf confirm|dlv delivery|dlvry delivery|deliv delivery|shpmt shipment
ship shipment|crt created|crtd created|upd updated|updt updated|lst last|frst first|brth birth|mktplc marketplace
prd product|prdct product|vndr vendor|vend vendor|sply supplier|adrs address|cntct contact|msr measure|rdg reading
bld blood|glu glucose|hgt height|ht height|wdth width|dpth depth|tmstmp when|tstamp when|tmstp when|stts status
lbl label|ttle title|nme name|idx index|ident id|sess session|ssn socialsecurity|dscnt discount|crdt credit|dbt debit
qnt quantity|unt unit|cmpny company|comp company|dstnc distance|spd speed|tmp temperature|prssr pressure|vlt voltage
crrnt current|enrg energy|flw flow|rsp response|lat latitude|cnfg config|cfg config|usrnm username|uname username|pwd password
"""
"""Short form, then its word; `when` is any word for a moment."""

PHRASES = """
first name|given name|fore name|forename|givenname|christian name > firstname
last name|family name|sur name|surname|familyname > lastname
middle name|second name > middlename
full name|complete name > fullname
zip code|postal code|post code|zip|postcode|postalcode|zipcode|plz > postalcode
birth date|date birth|birth day|birthday|birth when|when birth|born when|born > birthdate
electronic mail|e mail|mail|email address|mail address > email
telephone|telephone number|phone number|telefon > phone
cell phone|mobile phone|cellphone|handphone|mobile number|cell|handy > mobile
time stamp|date time|datetime|timestamp|date|time|at|on|instant|moment|day time|when when > when
web site|website|home page|homepage > website
user name|login name|login|username > username
ip address|ip addr|ipaddress address > ipaddress
social security number|social security|socialsecurity number > socialsecurity
time zone > timezone
pulse|heart rate|heartrate|pulse rate|heart beat > heartrate
order line|line item > lineitem
job title|job position|jobtitle > jobtitle
credit card|creditcard|card number|credit card number > cardnumber
bank account|bank account number > bankaccount
country iso|iso country|country code > countrycode
user agent|useragent > useragent
host name|hostname|host|server|machine|server name|machine name > host
file name|filename > filename
birth place|place birth|birthplace > birthplace
wind speed|wind velocity > windspeed
blood sugar|glucose|blood glucose > glucose
customer id number|customer number > customer id
user id|userid > user id
global unique id|unique id|uuid|guid|identifier|ident > id
operating system > operatingsystem
last modified|last updated|last changed|last update > updated
oxygen saturation|spo 2|o 2 saturation|o 2 sat|spo2 > oxygensaturation
kilo watt hour > kilowatthour
"""
"""Ways to write one thing (after abbreviations are written out), then its word."""

SYNONYMS = """
customer client buyer shopper consumer kunde
employee staff worker personnel
supplier vendor
product article good merchandise
doctor physician
country nation land
city town municipality stadt
gender sex
salary wage pay compensation remuneration
street road
company firm business enterprise employer
store shop
rain rainfall precipitation
organization organisation
quantity units pieces menge
temperature thermal
humidity moisture
weight mass
length long
height stature
velocity speed
duration elapsed
comment remark note remarks notes comments annotation
description details detail descr text
message messages
created creation create inserted insertion added
updated update modified modification changed change edited
deleted deletion removed
start begin started beginning commenced
end finish ended finished stop stopped
shipment shipping shipped dispatch dispatched
delivery delivered delivering
payment paid paying
purchase bought purchased
order ordering ordered
type kind sort
category class
status state
language locale lang
url link uri
image picture photo
department division
invoice bill
rating stars
diagnosis dx
medication drug medicine
patient subject
vehicle car
voltage tension volt
current amperage
energy electricity
error failure fault
warning alert
visit encounter
active enabled
sequence ordinal
latitude
longitude
region area
birthdate
transaction
severity criticality
request query
response reply answer
percent percentage
priority urgency
passenger traveller traveler rider
student pupil learner
course class
teacher instructor
grade mark
book title
author writer
altitude elevation
device gadget
sensor probe
reading measurement observation measure
location place position
warehouse depot
income earnings
revenue turnover
tax vat
balance saldo
account konto
family household
occupation profession
owner holder
manager supervisor boss
phone
username nickname handle
registered registration signup joined
expiry expires expiration
deadline due
received receipt
hired hire joining
departure depart departed
arrival arrive arrived
battery
signal
count
title heading headline
session
tag label
marketing promotional
opt optin
total sum overall
"""
"""Words that may replace each other; the values must agree as well."""

KIN = """
price cost charge fee rate
amount value
status condition stage phase
user customer account member
number id code key reference
name title label
severity level priority
revenue sales income
type category group
product item sku
order purchase
location address
score rating points
volume quantity size
device sensor machine host
text content body
comment message description
count quantity
region state province
reason cause
when day
fullname name
jobtitle position role
number count
"""
"""Words near to each other that often name different things: never enough by themselves."""

QUALIFIERS = """
tax gross net discount discounted subtotal refund refunded fee
first last middle maiden full nick legal preferred alternate alternative secondary primary emergency
start end begin due expected actual planned scheduled estimated predicted forecast target requested confirmed approved
minimum maximum average mean median mode deviation variance sum peak
billing shipping delivery home work business private personal office mobile fax permanent temporary mailing
old new previous prior current next former original final initial latest earliest
from to origin destination source target departure arrival inbound outbound in out incoming outgoing
indoor outdoor inside outside inner outer ambient surface internal external
left right front rear back top bottom upper lower up down north south east west
parent child mother father spouse partner sibling owner guarantor guardian
created updated deleted modified received sent shipped delivered cancelled ordered paid
buy sell bid ask open close high low debit credit
systolic diastolic fasting resting
input output read write request response upload download sender receiver payer payee from
raw clean adjusted corrected normalized normalised standardized scaled calibrated rounded
real nominal projected budget budgeted
male female adult junior senior
yesterday today daily weekly monthly yearly annual hourly quarterly cumulative rolling
per delta diff difference change growth ratio share rate index rank score
version local
self other secondary backup
not non un
second third
limit group band bucket range threshold goal quota percentile tier factor margin bonus
"""
"""Words that make another thing of what they are added to."""

TRANSFORMS = """
hash hashed md5 sha sha1 sha256 sha512 digest encrypted enc cipher crypt encoded base64 b64 masked mask redacted
anonymized anonymised anon anonymous pseudonym pseudonymized pseudonymised token tokenized tokenised obfuscated
signed salted scrambled truncated partial last4 hex
"""

ZONES = """
utc gmt zulu local localtime cet cest est edt pst pdt cst mst bst ist jst
"""

UNITS = """
celsius c temperature|centigrade c temperature|degc c temperature|fahrenheit f temperature|degf f temperature
kelvin k temperature|c c temperature|f f temperature|k k temperature
m m length|meter m length|metre m length|meters m length|metres m length|ft ft length|feet ft length|foot ft length
km km length|kilometer km length|kilometers km length|kilometre km length|mi mi length|mile mi length|miles mi length
cm cm length|centimeter cm length|mm mm length|millimeter mm length|inch in length|inches in length|yd yd length
kg kg mass|kilogram kg mass|kilograms kg mass|kilos kg mass|g g mass|gram g mass|grams g mass|lb lb mass|lbs lb mass|mg mg mass
pound lb mass|pounds lb mass|oz oz mass|ounce oz mass|ounces oz mass|tonne t mass|tonnes t mass|ton t mass|tons t mass
s s time|sec s time|secs s time|second s time|seconds s time|ms ms time|millis ms time|millisecond ms time|milliseconds ms time
us us time|micros us time|microseconds us time|ns ns time|nanos ns time|nanoseconds ns time|mins min time|minute min time
minutes min time|min min time|hour h time|hours h time|hrs h time|hr h time|h h time|days d time|epoch epoch time
kmh kmh speed|kph kmh speed|mph mph speed|mps mps speed|knots kn speed|kn kn speed
l l volume|liter l volume|litre l volume|liters l volume|litres l volume|ml ml volume|gal gal volume|gallon gal volume
gallons gal volume|byte b data|bytes b data|kb kb data|mb mb data|gb gb data|tb tb data|kib kib data|mib mib data|bits bit data
pa pa pressure|hpa hpa pressure|kpa kpa pressure|bar bar pressure|mbar hpa pressure|psi psi pressure|mmhg mmhg pressure
w w power|watt w power|watts w power|kw kw power|mw mw power|hp hp power|kwh kwh energy|wh wh energy|mwh mwh energy
joule j energy|joules j energy|kj kj energy|cal cal energy|kcal kcal energy|kilowatthour kwh energy|v v voltage|mv mv voltage
percent pct share|percentage pct share|pct pct share|fraction fraction share|ratio fraction share|bps bps share|permille permille share
cent cent money|cents cent money|pence cent money|minor cent money|thousands k money|millions m money
mmol mmol level|mgdl mg level|ppm ppm level|ppb ppb level|deg deg angle|degrees deg angle|degree deg angle|rad rad angle
radians rad angle|hz hz frequency|khz khz frequency|mhz mhz frequency|rpm rpm frequency|bpm bpm frequency|sqm sqm area
sqft sqft area|hectare ha area|hectares ha area|acre acre area|acres acre area
"""
"""Word, unit, dimension."""

LASTING = """
duration elapsed delay wait length age timeout interval latency runtime time uptime downtime ttl period lag session play
"""
"""Words of time that lasts, behind which `min` is minutes."""

CURRENCIES = """
usd eur gbp jpy chf cad aud nzd cny rmb inr brl mxn sek nok dkk pln czk huf zar krw sgd hkd try rub ils thb idr myr php
btc eth dollar dollars euro euros yen yuan rupee rupees franc francs pound sterling peso pesos
"""

NEUTRAL = """
value field column col attribute information data record dim fact stg src tbl fld dataset var variable
fk text string str my entity event entry row is has was flag indicator bool boolean yn
"""
"""Words that add nothing."""

GENERIC = """
id name when number code type value status key date count amount total text label description reference flag level
"""
"""Words that say nothing without another one."""

MONEY = """
price cost amount fee charge salary revenue income payment balance total tax discount budget premium fare wage rent
debit credit invoice spend profit margin refund deposit loan turnover sales earnings bill
"""


def pairs(text: str) -> dict[str, str]:
    """Read `short long` entries."""
    entries = (one.split() for line in text.strip().splitlines() for one in line.split("|"))
    return {one[0]: one[1] for one in entries}


def phrases(text: str) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Read `one way|another > word` lines."""
    found = {}
    for line in text.strip().splitlines():
        ways, _, word = line.partition(" > ")
        found.update({tuple(way.split()): tuple(word.split()) for way in ways.split("|")})
    return found


def groups(text: str) -> dict[str, frozenset[int]]:
    """Return the numbers of the groups that each word is in."""
    found: dict[str, frozenset[int]] = {}
    for number, line in enumerate(text.strip().splitlines()):
        for word in line.split():
            found[word] = found.get(word, frozenset()) | {number}
    return found


def units(text: str) -> dict[str, tuple[str, str]]:
    """Read `word unit dimension` entries."""
    entries = (one.split() for line in text.strip().splitlines() for one in line.split("|"))
    return {one[0]: (one[2], one[1]) for one in entries}


def words(text: str) -> frozenset[str]:
    """Read a list of words."""
    return frozenset(text.split())
