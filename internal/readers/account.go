package readers

import "fmt"

// A Judge is told what a reader has of a channel.
type Judge interface {
	Begins(cursor string) error // where it begins, unless it has begun
	Moved(cursor string) error  // where it stands in another epoch, which is the place where it stood
	Told(kind, from, to, reason string) error
}

// An Account is a place that keeps judges informed. What an entry holds is for
// Took, which is told each that is new.
type Account struct {
	*Place
	Judges map[string]Judge // by channel
	Took   func(it Item) error
}

// Take takes an item that came with its cursor. An error is something that the
// reader should not have been given.
func (a *Account) Take(it Item) error {
	stood, overlap := map[string]string{}, a.skip[it.Channel] != ""
	for _, ch := range a.Channels {
		stood[ch] = a.Cursor(ch)
	}
	fresh, err := a.Place.Take(it)
	if err != nil {
		return err
	}
	missed := it.Notice == "$gap" || it.Notice == "$reset"
	switch now := a.Cursor(it.Channel); {
	case missed && overlap && now == stood[it.Channel]:
	case missed && overlap && compareOffsets(now, stood[it.Channel]) == 0:
		err = a.Judges[it.Channel].Moved(now)
	case missed && overlap:
		err = a.Judges[it.Channel].Told(it.Notice, stood[it.Channel], now, it.Reason)
	case missed:
		err = a.missed(it, stood[it.Channel])
	}
	for _, ch := range a.Channels {
		now := a.Cursor(ch)
		if err != nil || now == "" || ch == it.Channel && (fresh || missed) {
			continue
		}
		if old := stood[ch]; old != "" && Epoch(old) != Epoch(now) {
			err = a.Judges[ch].Moved(now)
		}
		if err == nil {
			err = a.Judges[ch].Begins(now)
		}
	}
	if err == nil && fresh {
		err = a.Took(it)
	}
	return err
}

func (a *Account) missed(it Item, stood string) error {
	judge := a.Judges[it.Channel]
	switch {
	case it.From == "" || stood == "" || it.From == stood:
	case Epoch(it.From) == Epoch(stood):
		return fmt.Errorf("it stands at %s and is told %+v", stood, it)
	default:
		if err := judge.Moved(it.From); err != nil {
			return err
		}
	}
	return judge.Told(it.Notice, it.From, it.Cursor, it.Reason)
}
