// Package disk keeps channels' logs on the disk of one node.
package disk

import (
	"context"
	"errors"

	"github.com/pabal/pabal"
)

// A Broker keeps channels' logs on disk.
type Broker struct{ config Config }

// Open opens the store in c.Dir.
func Open(c Config) (*Broker, error) { return &Broker{c.withDefaults()}, nil }

var errNotYet = errors.New("disk: not yet")

// Append appends what p holds to ch.
func (b *Broker) Append(context.Context, pabal.Channel, pabal.Publish) (pabal.Appended, error) {
	return pabal.Appended{}, errNotYet
}

// Read returns a part of ch's log.
func (b *Broker) Read(context.Context, pabal.Channel, pabal.Query) (pabal.Page, error) {
	return pabal.Page{}, errNotYet
}

// Tail calls fn for each entry appended to ch.
func (b *Broker) Tail(context.Context, pabal.Channel, func(*pabal.Entry)) (pabal.Position, error) {
	return pabal.Position{}, errNotYet
}

// Delete forgets ch's log.
func (b *Broker) Delete(context.Context, pabal.Channel) error { return errNotYet }

// Channels lists.
func (b *Broker) Channels(context.Context, string, pabal.Channel, int) ([]pabal.Channel, error) {
	return nil, errNotYet
}

// Lossless reports that tails miss nothing.
func (b *Broker) Lossless() bool { return true }

// Health returns nil if b can keep and read all, or a *[pabal.StorageError]
// that says what it cannot.
func (b *Broker) Health() error { return nil }

// Close closes the store. What was published is safe then.
func (b *Broker) Close() error { return nil }
