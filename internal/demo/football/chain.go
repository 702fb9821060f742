package football

// chain plays what leads from one thing to another, until the ball is out or
// with the other side.
func (s *match) chain() {
	attacker := s.random.IntN(2)
	switch r := s.random.IntN(100); {
	case r < 44:
		s.attack(attacker)
	case r < 70:
		s.foul(attacker)
	case r < 78:
		s.tell(Offside, s.cast(attacker), nil)
	case r < 86 && s.first == 45 && len(s.sides[attacker].bench) > 0:
		s.substitute(attacker)
	case r < 92:
		s.tell(Passage, s.cast(attacker), nil)
	default:
		s.plays[s.tell(Colour, s.cast(attacker), nil)].Team = ""
	}
}

func (s *match) attack(attacker int) {
	c := s.cast(attacker)
	s.tell(Attack, c, nil)
	s.pass()
	s.finish(attacker, c, 10)
}

// finish tells how an attack ends. It is a goal in so many of a hundred.
func (s *match) finish(attacker int, c *cast, goals int) {
	guard := s.choose(&s.sides[1-attacker], keeper, keeper, nil)
	switch r := s.random.IntN(100); {
	case s.chance(goals):
		s.goal(attacker, c, nil)
	case r < 32:
		s.miss(c)
	case r < 58:
		s.tell(Save, c.with(guard), nil)
		if s.chance(35) {
			s.corner(attacker)
		}
	case r < 72:
		s.tell(Block, c.with(s.choose(&s.sides[1-attacker], defender, defender, nil)), nil)
		if s.chance(40) {
			s.corner(attacker)
		}
	case r < 78:
		s.tell(Woodwork, c, nil)
	case r < 87:
		s.tell(Offside, c, nil)
	default:
		s.corner(attacker)
	}
}

// with returns c with another beside the player.
func (c *cast) with(other *player) *cast {
	changed := *c
	changed.other = other
	return &changed
}

func (s *match) miss(c *cast) {
	at := s.tell(Shot, c, nil)
	if s.chance(10) {
		s.doubt(at, Corner, c, cornerAfterAll)
	}
}

func (s *match) corner(attacker int) {
	c := s.cast(attacker)
	s.pass()
	s.tell(Corner, c, nil)
	if s.chance(45) {
		header := s.cast(attacker)
		header.player, header.other = s.choose(&s.sides[attacker], defender, forward, c.player), c.player
		s.pass()
		if s.chance(15) {
			s.goal(attacker, header, nil)
		} else {
			s.miss(header)
		}
	}
}

// goal counts one, which may turn out not to count, or to be another's.
func (s *match) goal(attacker int, c *cast, said []Text) {
	s.settle() // by the score before
	s.count(c.team.side, 1)
	at := s.tell(Goal, c, said)
	switch r := s.random.IntN(100); {
	case said != nil: // a penalty is seen by all
	case r < 20:
		s.doubt(at, Disallowed, c, disallowed)
	case r < 40:
		other := c.with(c.player)
		other.player = s.choose(&s.sides[attacker], defender, forward, c.player)
		s.doubt(at, Goal, other, otherScorer)
	}
	s.wait(40, 60)
}

func (s *match) foul(attacker int) {
	victims, guards := &s.sides[attacker], &s.sides[1-attacker]
	culprit, victim := s.choose(guards, defender, forward, nil), s.choose(victims, defender, forward, nil)
	if s.chance(4) {
		s.penalty(attacker, victim, culprit)
		return
	}
	c := &cast{player: culprit, other: victim, team: guards.team, against: victims.team}
	s.tell(Foul, c, nil)
	switch r := s.random.IntN(100); {
	case r < 30 && !guards.booked[culprit]:
		s.pass()
		s.book(guards, c)
	case r < 32 && len(guards.pitch) > 9:
		s.pass()
		s.tell(Red, c, nil)
		guards.sendOff(culprit)
	case r < 50:
		s.pass()
		s.finish(attacker, s.cast(attacker), 5)
	}
}

// book shows a yellow card, which may turn out to be another's, or too little.
func (s *match) book(guards *side, c *cast) {
	at := s.tell(Yellow, c, nil)
	switch r := s.random.IntN(100); {
	case r < 20:
		other := c.with(c.player)
		other.player = s.choose(guards, defender, forward, c.player)
		guards.booked[other.player] = true
		s.doubt(at, Yellow, other, otherBooked)
	case r < 28 && len(guards.pitch) > 9:
		guards.booked[c.player] = true
		guards.sendOff(c.player)
		s.doubt(at, Red, c, worseThanBooked)
	default:
		guards.booked[c.player] = true
	}
}

// sendOff has p play no part from now on.
func (t *side) sendOff(p *player) {
	for i, on := range t.pitch {
		if on == p {
			t.pitch = append(t.pitch[:i:i], t.pitch[i+1:]...)
			return
		}
	}
}

func (s *match) penalty(attacker int, victim, culprit *player) {
	a, d := &s.sides[attacker], &s.sides[1-attacker]
	c := &cast{player: victim, other: culprit, team: a.team, against: d.team}
	s.tell(Penalty, c, nil)
	s.wait(30, 50)
	c.player, c.other = s.choose(a, forward, forward, nil), s.choose(d, keeper, keeper, nil)
	if s.chance(76) {
		s.goal(attacker, c, scoredFromSpot)
	} else {
		s.tell(Save, c, savedFromSpot)
	}
}

func (s *match) substitute(who int) {
	t := &s.sides[who]
	comes := t.bench[0]
	goes := s.choose(t, comes.line, comes.line, nil)
	t.bench = t.bench[1:]
	t.sendOff(goes)
	t.pitch = append(t.pitch, comes)
	s.tell(Substitution, &cast{player: comes, other: goes, team: t.team, against: s.sides[1-who].team}, nil)
}
