package football

import "strings"

// cast is who takes part in a play.
type cast struct {
	player, other *player
	team, against *team
	number        string
}

// say fills in the template t. In it {p} and {q} are players, {t} and {o} the
// teams, {n} a number; and in Korean {p:이/가} is the player followed by the
// particle that fits the sound that the name ends with.
func (c *cast) say(t Text) Text {
	return Text{
		English: fill(t.English, func(name string) string { return c.named(name).English }),
		Korean:  fill(t.Korean, func(name string) string { return c.named(name).Korean }),
	}
}

func (c *cast) named(name string) Text {
	switch name {
	case "p":
		return c.player.name
	case "q":
		return c.other.name
	case "t":
		return c.team.short
	case "o":
		return c.against.short
	case "n":
		return Text{c.number, c.number}
	}
	panic("a template names {" + name + "}")
}

// fill puts what word returns in the place of each {name} of text.
func fill(text string, word func(name string) string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		inner, after, _ := strings.Cut(rest, "}")
		name, particles, _ := strings.Cut(inner, ":")
		said := word(name)
		b.WriteString(said)
		b.WriteString(particle(said, particles))
		text = after
	}
}

// particle chooses from "이/가": the first after a syllable that ends with a
// consonant, the second after one that ends with a vowel; of "으로/로" also
// after ㄹ.
func particle(word, choice string) string {
	closed, open, found := strings.Cut(choice, "/")
	if !found {
		return ""
	}
	const rieul = 8
	letters := []rune(word)
	last := letters[len(letters)-1]
	if last < '가' || last > '힣' {
		return open
	}
	if final := (last - '가') % 28; final == 0 || final == rieul && open == "로" {
		return open
	}
	return closed
}
