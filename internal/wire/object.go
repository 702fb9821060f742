package wire

// Member returns the name and the value of the next member of the JSON object
// that text is, as they stand in it, and where the one after it is to be looked
// for. The first is at 0. At the object's end there is no name, and next is 0.
// It understands what clients write: next is -1 for all that is wrong and for
// what is merely unusual, such as a space before the object. A name with an
// escape in it is returned as it stands.
func Member(text []byte, at int) (name, value []byte, next int) {
	last := len(text) - 1
	if at > last || at == 0 && text[0] != '{' {
		return nil, nil, -1
	}
	i := skipSpace(text, at+1)
	switch {
	case at == last:
		return nil, nil, end(text[at] == '}')
	case at == 0 && i == last:
		return nil, nil, end(text[i] == '}')
	case at > 0 && text[at] != ',':
		return nil, nil, -1
	}
	after := stringEnd(text, i)
	if after < 0 {
		return nil, nil, -1
	}
	name = text[i+1 : after-1]
	if i = skipSpace(text, after); i > last || text[i] != ':' {
		return nil, nil, -1
	}
	i = skipSpace(text, i+1)
	if after = valueEnd(text, i, 0); after < 0 {
		return nil, nil, -1
	}
	value = text[i:after:after]
	if next = skipSpace(text, after); next > last {
		return nil, nil, -1
	}
	return name, value, next
}

func end(ok bool) int {
	if ok {
		return 0
	}
	return -1
}
