"""Labelled texts from templates, lists and the MIT set. A text is (text, [(start, end, sort)])."""
import pathlib
import random
import re
import unicodedata

DATA = pathlib.Path(__file__).resolve().parent.parent.parent / 'data/names'
SLOT = re.compile(r'\{(\w+?)(?::(\d))?\}')
LISTS = {
    'complaint': 'chest pain|shortness of breath|abdominal pain|headache|a fall|dizziness|back pain|fever|a rash|cough|nausea and vomiting|'
                 'blurred vision|knee pain|palpitations|a sore throat|weakness of the left arm|difficulty swallowing|anxiety',
    'condition': 'hypertension|type 2 diabetes|asthma|pneumonia|atrial fibrillation|heart failure|COPD|migraine|depression|breast cancer|'
                 'chronic kidney disease|hypothyroidism|osteoarthritis|a hip fracture|cellulitis|gout|anemia|sepsis|stroke|glaucoma|psoriasis|'
                 'Crohn disease|Parkinson disease|Lyme disease|Alzheimer dementia|Graves disease|Barrett esophagus',
    'drug': 'metoprolol|lisinopril|aspirin|metformin|warfarin|prednisone|furosemide|atorvastatin|insulin|amoxicillin|gabapentin|sertraline|'
            'omeprazole|albuterol|morphine|Lasix|Coumadin|Zoloft|Lipitor|Eliquis|Keppra|Synthroid|Tylenol|Plavix|Lovenox|Xarelto',
    'lab': 'creatinine|potassium|hemoglobin|INR|TSH|troponin|glucose|lactate|white count|A1c',
    'procedure': 'colonoscopy|a lumbar puncture|hip replacement|an appendectomy|cardiac catheterization|a biopsy|cataract surgery|dialysis',
    'specialty': 'cardiology|neurology|nephrology|oncology|orthopedics|infectious disease|physical therapy|psychiatry|pediatrics|dermatology',
    'eponym': 'Foley|Babinski|Romberg|Murphy|Cushing|Addison|Parkinson|Alzheimer|Hodgkin|Marfan|Raynaud|Down|Turner|Bell|Baker|Wilson|'
              'Kawasaki|Meckel|Barrett|Homan|Lachman|Hickman|Whipple|Wells|Glasgow|Huntington|Charcot|Doppler|Holter|Merkle|Fibonacci|Bayes',
    'dr': 'Dr.|Dr|Doctor|Dr.|dr.', 'mr': 'Mr.|Mr|Mr.', 'mrs': 'Mrs.|Ms.|Mrs|Ms|Miss', 'title0': 'Mr.|Mrs.|Ms.|Dr.|Professor|Sir|Lady|Captain|Judge',
    'degree': 'MD|M.D.|DO|RN|NP|PA-C|PhD|LCSW|DPT|MBBS', 'poss': 'his|her|their',
    'relation': 'mother|father|wife|husband|son|daughter|brother|sister|neighbor|friend|cousin|aunt|niece|partner|grandmother|roommate',
    'job': 'teacher|carpenter|nurse|engineer|writer|journalist|painter|composer|farmer|accountant|drummer|actor|lawyer|spokesman|driver|analyst',
    'job0': 'Director|President|Manager|Senator|Editor|Sales Engineer|Chief Nurse|Architect|Minister|Head of Operations|Coach|Secretary',
    'weekday': 'Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday', 'subject': 'invoice|meeting on Friday|your order|test results',
    'month': 'January|February|March|April|May|June|July|August|September|October|November|December',
    'ago': 'two days ago|last week|a month ago|yesterday|in the morning', 'nothing2': 'account|index|parser|peace|medicine|record|statement|table',
    'Product': 'Python|Linux|Docker|Kubernetes|Java|OpenSSL|PostgreSQL|GitHub|Windows|Android|Debian|Jenkins|Redis|Apache|Vectorscan|Meson|'
               'Makefile|GitLab|Jira|React|Node|Chrome|Unicode|Ledger|Gateway|Parser|Policy|Snapshot|Buffer|Index|Merkle Tree|Data Store',
    'Product2': 'Server|Client|Engine|Manager|Toolkit|Foundation|Framework|Project|Library|Runtime',
    'hospital': 'the hospital|Mercy Hospital|St. Luke Medical Center|County General Hospital|the emergency department|Lakeside Clinic|'
                'Memorial Hospital|Sacred Heart Hospital|Riverside Health Center|the VA|Northwestern Memorial',
    'nation': None, 'country': None,
}
COUNTRIES = ('France Germany Italy Spain Portugal Belgium Switzerland Austria Poland Hungary Romania Bulgaria Greece Turkey Russia Ukraine Serbia '
             'Croatia Slovenia Estonia Latvia Lithuania Finland Sweden Norway Denmark Iceland Canada Mexico Brazil Argentina Chile Peru Colombia '
             'Cuba Australia China Japan Vietnam Thailand Indonesia Malaysia India Pakistan Nepal Iran Iraq Israel Egypt Morocco Kenya Nigeria Ghana '
             'Cyprus Uganda Rwanda Tanzania').split() + ['New Zealand', 'South Africa', 'United States', 'United Kingdom', 'the Netherlands', 'Czech Republic',
                                                       'South Korea', 'Sri Lanka', 'Saudi Arabia', 'Costa Rica', 'Burkina Faso', 'Greenland', 'the UK', 'the USA']
NATIONS = ('German French Italian Spanish Polish Dutch Swedish Norwegian Danish Finnish Irish Scottish Russian Greek Turkish Hungarian Czech Mexican '
           'Brazilian Canadian Chinese Japanese Korean Indian Nigerian Egyptian American British Australian Slovenian Croatian').split()
STATES = 'AL AK AZ CA CO CT DE FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI SC TN TX UT VT VA WA WV WI WY'.split()
SUFFIXES = 'Street St. St Road Rd Avenue Ave Ave. Lane Ln Drive Dr Court Ct Boulevard Blvd Place Terrace Way Circle Highway Parkway Square Crescent Close Trail Hill'.split()
COMPANY = ['Inc', 'Inc.', 'LLC', 'Ltd', 'Ltd.', 'Corp', 'GmbH', 'Group', '& Sons', 'Holdings', 'Partners', 'Bank', 'Labs', 'Systems', 'Software',
           'Pharmaceuticals', 'Insurance', 'Foods', 'Motors', 'Consulting', 'Logistics', 'Networks', 'Records', 'Institute', 'Foundation', 'Energy']
PARTICLES = ['van', 'van der', 'de', 'de la', 'von', 'del', 'di', 'da', 'Al-', 'El', 'bin', 'Mac', 'Mc', "O'", "D'", 'Le', 'St. ']
SORTS = {'PERSON': 'person', 'STREET_ADDRESS': 'address', 'ADDRESS': 'address', 'GPE': 'location', 'LOCATION': 'location', 'ORGANIZATION': 'organisation',
         'TITLE': 'title', 'PREFIX': 'title', 'DATE_TIME': 'date', 'BIRTHDAY': 'date', 'NRP': 'nation', 'NATIONALITY': 'nation', 'AGE': 'age',
         'ZIP_CODE': 'address'}


def read_list(name):
    return [line for line in (DATA / name).read_text(encoding='utf-8').splitlines() if line and not line.startswith('#')]


def plain(word):
    """Without accents."""
    return ''.join(c for c in unicodedata.normalize('NFD', word) if not unicodedata.combining(c))


class Generator:
    """Texts by a seed. Names of `held_out` are not used."""

    def __init__(self, seed, held_out=frozenset()):
        self.random = random.Random(seed)
        free = lambda name: [word for word in read_list(name) if word.lower() not in held_out]
        self.given, self.family, self.places, self.streets = map(free, ('given.txt', 'family.txt', 'places.txt', 'streets.txt'))
        self.words = read_list('words.txt')
        self.plain_texts = read_list('plain.txt')
        self.templates = [line.replace('\\n', '\n') for line in read_list('templates.txt')]
        self.chains = {'given': self.chain(self.given), 'family': self.chain(self.family), 'word': self.chain(self.words)}

    def pick(self, things):
        return things[int(self.random.random() * len(things))]

    def chance(self, part):
        return self.random.random() < part

    # ---- names

    def chain(self, names):
        table = {}
        for name in names[::3]:
            word = '^^' + name.split()[0].lower() + '$'
            for at in range(len(word) - 2):
                table.setdefault(word[at:at + 2], []).append(word[at + 2])
        return table

    def invented(self, kind):
        """A name that is in no list, but sounds like those."""
        table = self.chains[kind]
        while True:
            word = '^^'
            while word[-1] != '$' and len(word) < 14:
                word += self.pick(table[word[-2:]])
            if 5 <= len(word) <= 13 and word[-1] == '$':
                return word[2:-1].capitalize()

    def given_name(self):
        if self.chance(0.12):
            return self.invented('given')
        name = self.pick(self.given)
        return plain(name) if self.chance(0.3) else name

    def family_name(self):
        if self.chance(0.15):
            return self.invented('family')
        name = self.pick(self.family)
        if self.chance(0.05):
            particle = self.pick(PARTICLES)
            name = particle + name if particle[-1] in "-'c" else particle.strip() + ' ' + name
        elif self.chance(0.06):
            name += '-' + self.pick(self.family)
        return plain(name) if self.chance(0.3) else name

    def person(self):
        return self.given_name(), self.family_name()

    def initial(self):
        return self.pick('ABCDEFGHIJKLMNOPRSTVW')

    def full(self, person):
        given, family = person
        roll = self.random.random()
        if roll < 0.66:
            name = f'{given} {family}'
        elif roll < 0.76:
            name = f'{given} {self.initial()}. {family}'
        elif roll < 0.80:
            name = f'{given} {self.initial()} {family}'
        elif roll < 0.85:
            name = f'{given} {self.given_name()} {family}'
        elif roll < 0.88:
            name = f'{self.initial()}. {family}'
        elif roll < 0.90:
            name = f'{self.initial()}. {self.initial()}. {family}'
        elif roll < 0.92:
            name = f'{given}-{self.given_name()} {family}'
        elif roll < 0.94:
            name = f'{given} {family} ' + self.pick(['Jr.', 'Sr.', 'III', 'II', 'Jr'])
        elif roll < 0.97:
            name = f'{given} {family} {self.family_name()}'
        else:
            name = f'{given} {family}'.upper()
        return name

    # ---- places

    def street(self):
        roll = self.random.random()
        if roll < 0.5:
            name = self.pick([self.pick(self.family), self.pick(self.words).capitalize(), self.pick(self.given), self.pick(['Oak', 'Main', 'Park', 'Church', 'Mill', 'Elm', 'Lake', 'North', 'Second', '5th', 'Old Mill', 'Maple', 'Cedar'])])
            return f'{name} {self.pick(SUFFIXES)}'
        if roll < 0.65:
            return self.pick(['Rue ', 'rue ', 'Via ', 'Calle ', 'Avenida ', 'ul. ', 'Rua ', 'Chemin ', 'Avenue ', 'Plaza ', 'Passeig ']) + self.pick([self.pick(self.family), f'{self.pick(self.given)} {self.pick(self.family)}', 'de ' + self.pick(self.places)])
        if roll < 0.85:
            return self.pick(self.streets)
        return self.pick(self.family).split()[0] + self.pick(['straße', 'strasse', 'gasse', 'weg', 'gade', 'vej', 'gatan', 'vägen', 'straat', 'laan', 'katu', 'tie', ' utca', ' tér', ' u.', 'platz', 'gata'])

    def digits(self, least, most):
        count = least + int(self.random.random() * (most - least + 1))
        return ''.join(self.pick('0123456789') if at else self.pick('123456789') for at in range(count))

    def line(self):
        number = self.digits(1, 4) + (self.pick('ABCD') if self.chance(0.05) else '')
        street = self.street()
        line = f'{number} {street}' if self.chance(0.6) else f'{street} {number}'
        if self.chance(0.08):
            line = self.pick(['P.O. Box ', 'PO Box ', 'Postbus ', 'Box ']) + self.digits(2, 5)
        return line

    def city(self):
        name = self.pick(self.places)
        return plain(name) if self.chance(0.3) else name

    def country(self):
        return self.pick(COUNTRIES)

    def address(self):
        line = self.line()
        if self.chance(0.12):
            return line
        if self.chance(0.3):
            line += self.pick([', ', ' ', '\n', '\n ']) + self.pick(['Apt. ', 'Apt ', 'Suite ', 'Unit ', '#', 'Floor ']) + self.digits(1, 3)
        gap = self.pick([', ', ', ', '\n', '\n ', ' '])
        roll = self.random.random()
        city = self.city()
        if roll < 0.45:
            line += f'{gap}{city}, {self.pick(STATES)}' + (' ' + self.digits(5, 5) if self.chance(0.8) else '')
        elif roll < 0.7:
            line += f'{gap}{self.digits(4, 5)} {city}'
        elif roll < 0.85:
            line += f'{gap}{city} {self.digits(4, 5)}'
        else:
            line += f'{gap}{city}'
        if self.chance(0.25):
            line += f'{gap}{self.country()}' + (' ' + self.digits(4, 5) if self.chance(0.2) else '')
        return line

    def organisation(self):
        roll = self.random.random()
        if roll < 0.25:
            return f'{self.pick(self.family)} {self.pick(COMPANY)}'
        if roll < 0.40:
            return f'{self.pick(self.words).capitalize()} {self.pick(self.words).capitalize()}'
        if roll < 0.50:
            return f'{self.pick(self.words).capitalize()} {self.pick(COMPANY)}'
        if roll < 0.56:
            return self.invented('word') + self.pick(['', '', ' ' + self.pick(COMPANY), ' ' + self.pick(self.words).capitalize()])
        if roll < 0.62:
            return self.pick(self.words).capitalize() + self.pick(['ly', 'ify', 'io', 'ex', 'soft', 'tech', 'care', 'net', 'Works', 'Hub', 'Data', 'Med', 'Bank'])
        if roll < 0.68:
            return ' '.join([f'{self.pick(self.family)}, {self.pick(self.family)} and {self.pick(self.family)}'])
        if roll < 0.74:
            return f'{self.pick(self.family)}-{self.pick(self.family)}'
        if roll < 0.80:
            return self.pick(self.words).capitalize()
        if roll < 0.86:
            return ''.join(self.initial() for _ in range(3 + self.chance(0.4)))
        if roll < 0.93:
            return self.pick(['St. ', 'Saint ', 'Mount ']) + self.given_name() + self.pick([' Hospital', ' Medical Center', ' Church', "'s", ' School'])
        return self.city() + self.pick([' General Hospital', ' University', ' Bank', ' Times', ' Clinic', ' United', ' Orchestra', ' Health Center', ' Board of Education'])

    def work(self):
        """A book, a film, a song."""
        roll = self.random.random()
        word = lambda: self.pick(self.words).capitalize()
        if roll < 0.3:
            return word()
        if roll < 0.5:
            return self.invented('word')
        if roll < 0.7:
            return f'The {word()} {word()}'
        if roll < 0.85:
            return f'{word()} {self.pick(["of", "and", "in", "for", "to", "from"])} {self.pick(["the ", ""])}{word()}'
        return f'{word()} {word()}' + self.pick(['', f' {word()}'])

    # ---- texts

    def nothing(self):
        return self.pick(self.plain_texts)

    def slot(self, name, person):
        """(text, sort or None) of a slot."""
        given, family = person
        date = lambda: self.pick([f'{self.digits(1, 1)}/{self.digits(1, 1)}/{1930 + int(self.random.random() * 94)}', f'19{self.digits(2, 2)}-0{self.digits(1, 1)}-1{self.digits(1, 1)}', f"{self.pick(LISTS['month'].split('|'))} {self.digits(1, 1)}, 20{self.pick('012')}{self.digits(1, 1)}"])
        forms = {
            'full': lambda: (self.full(person), 'person'), 'given': lambda: (given, 'person'), 'family': lambda: (family, 'person'),
            'lastfirst': lambda: (f'{family}, {given}' + (f' {self.initial()}.' if self.chance(0.3) else ''), 'person'),
            'upper': lambda: (f'{given} {family}'.upper(), 'person'), 'lowerfull': lambda: (f'{given} {family}'.lower(), 'person'),
            'lowergiven': lambda: (given.lower(), 'person'), 'lowerfamily': lambda: (family.lower(), 'person'),
            'city': lambda: (self.city(), 'location'), 'lowercity': lambda: (self.city().lower(), 'location'), 'country': lambda: (self.country(), 'location'),
            'address': lambda: (self.address(), 'address'), 'loweraddress': lambda: (self.address().lower(), 'address'), 'street': lambda: (self.street(), 'address'),
            'org': lambda: (self.organisation(), 'organisation'), 'nation': lambda: (self.pick(NATIONS), 'nation'),
            'univ': lambda: (self.pick(['University of ' + self.city(), self.city() + ' University']), 'organisation'),
            'hospital': lambda: (self.pick(LISTS['hospital'].split('|')), None), 'initials': lambda: (self.initial() + self.initial(), None),
            'date': lambda: (date(), 'date'), 'year': lambda: (str(1900 + int(self.random.random() * 125)), 'date'), 'age': lambda: (self.digits(1, 2), 'age'),
            'n': lambda: (self.digits(4, 8), None), 'n1': lambda: (self.digits(1, 1), None), 'n2': lambda: (self.digits(2, 2), None),
            'time': lambda: (f'1{self.digits(1, 1)}:{self.digits(2, 2)}', None), 'phone': lambda: (f'({self.digits(3, 3)}) 555-01{self.digits(2, 2)}', None),
            'email': lambda: (f'{plain(given).lower()}@example.org', None), 'nothing': lambda: (self.nothing().rstrip('.'), None),
            'w': lambda: (self.pick(self.words), None), 'thing': lambda: (self.invented('word'), None), 'W': lambda: (self.pick(self.words).capitalize(), None),
            'Work': lambda: (self.work(), None), 'Nothing': lambda: (self.nothing(), None),
        }
        if name in forms:
            return forms[name]()
        for key in (name, name[0].lower() + name[1:]):
            if key in LISTS:
                text = self.pick(LISTS[key].split('|'))
                if key != name:
                    text = text[0].upper() + text[1:]
                return text, 'title' if key in ('dr', 'mr', 'mrs', 'title0') else None
        raise KeyError(name)

    def fill(self, template):
        text, spans, people, at = '', [], {}, 0
        for match in SLOT.finditer(template):
            text += template[at:match.start()]
            at = match.end()
            number = match.group(2)
            person = people.setdefault(number, self.person()) if number else self.person()
            filled, sort = self.slot(match.group(1), person)
            if sort:
                spans.append((len(text), len(text) + len(filled), sort))
            text += filled
        return self.vary(text + template[at:], spans)

    def vary(self, text, spans):
        """Upper and lower case, comment marks, other white space; lengths of spans stay."""
        roll = self.random.random()
        if roll < 0.07 and len(text.lower()) == len(text):
            text = text.lower()
        elif roll < 0.12 and len(text.upper()) == len(text):
            text = text.upper()
        elif roll < 0.16:
            mark = self.pick(['// ', '# ', ' * ', '-- ', '> ', '- ', '    ', '"', '/* ', '<p>'])
            text, spans = mark + text, [(start + len(mark), end + len(mark), sort) for start, end, sort in spans]
        return text, spans

    def joined(self, texts):
        """Several texts as one."""
        text, spans = '', []
        for more, more_spans in texts:
            if text:
                text += self.pick([' ', '\n', '\n\n'])
            spans += [(start + len(text), end + len(text), sort) for start, end, sort in more_spans]
            text += more
        return text, spans

    def from_templates(self, count):
        """`count` fillings of each template; some are put together."""
        texts = [self.fill(template) for _ in range(count) for template in self.templates]
        joined = [self.joined([self.pick(texts) for _ in range(2 + int(self.random.random() * 3))]) for _ in range(len(texts) // 6)]
        return texts + joined + [self.vary(line, []) for line in self.plain_texts for _ in range(2)]

    def refilled(self, text, spans):
        """The same sentence with other people and places."""
        out, new, at, people = '', [], 0, {}
        for start, end, sort in spans:
            old = text[start:end]
            out += text[at:start]
            at = end
            other = old
            if sort == 'person':
                words = old.split()
                given, family = people.get(words[-1].lower()) or people.get(words[0].lower()) or self.person()
                for word in words:
                    people[word.lower()] = (given, family)
                other = self.full((given, family)) if len(words) > 1 else (given if old in self.known_given else family)
            elif sort == 'location' and self.chance(0.7):
                other = self.city()
            elif sort == 'organisation' and self.chance(0.7):
                other = self.organisation()
            elif sort == 'address' and any(c.isdigit() for c in old) and len(old) > 12 and self.chance(0.7):
                other = self.address()
            if old.islower():
                other = other.lower()
            new.append((len(out), len(out) + len(other), sort))
            out += other
        return self.vary(out + text[at:], new)

    @property
    def known_given(self):
        if not hasattr(self, '_known_given'):
            self._known_given = set(self.given)
        return self._known_given


def set_spans(text, raw):
    """Spans of the MIT set as ours: what follows a street line belongs to the address, and titles and degrees belong to nobody's name
    (the set has them within in some sentences and beside in others)."""
    spans = []
    for span in sorted(raw, key=lambda span: span['start']):
        sort = SORTS.get(span['type'])
        if sort is None or span['start'] == span['end'] or text[span['start']:span['end']].capitalize() in ('Mr.', 'Mrs.', 'Ms.', 'Dr.') and sort == 'person':
            continue
        start, end = span['start'], span['end']
        if sort == 'person':
            start += len(re.match(r"(?i)((mr|mrs|ms|miss|dr|prof)\.? )?", text[start:end]).group())
            end -= len(re.search(r"(?i)( (phd|md|dds|dvm))?$", text[start:end]).group())
        if sort == 'location' and re.search(r'\d', text[start:end]):
            sort = 'address'
        if spans and spans[-1][1] > start:
            continue
        if spans and spans[-1][2] == 'address' and sort in ('address', 'location') and re.fullmatch(r'[\s,>?]*', text[spans[-1][1]:start]):
            spans[-1] = (spans[-1][0], end, 'address')
        else:
            spans.append((start, end, sort))
    return spans
